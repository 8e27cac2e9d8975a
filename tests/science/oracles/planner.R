# Reference values from base R: the difference that n windows tell, and the windows that tell a difference.
#
#   Rscript planner.R          made with R 4.2.2
#
# planner.csv   overlap, n, significance, power: windows at hand and what is asked; standard error 1
#               df, detectable: by power.t.test without overlap, by the same equation (pt with ncp) with
#               difference, needed: one to tell, and the windows it takes, not rounded up; NA with overlap, where the
#                                   degrees of freedom come in steps

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
digits <- function(x) ifelse(is.na(x), "NA", sprintf("%.17g", x))
cosines <- function(n, overlap) max(1, min(floor(round(0.4 * n^(2 / 3), 9)), floor(n / overlap)))

one <- function(overlap, n, significance, power, share) {
  if (overlap == 1) {
    df <- n - 1
    # the standard error of the mean is 1: the standard deviation of one window is sqrt(n)
    planned <- function(...) power.t.test(..., sd = sqrt(n), sig.level = significance, power = power,
                                          type = "one.sample", tol = 1e-13)
    detectable <- planned(n = n)$delta
    needed <- planned(delta = share * detectable)$n
  } else {
    df <- cosines(n, overlap)
    critical <- qt(significance / 2, df, lower.tail = FALSE)
    detectable <- uniroot(function(ncp) pt(critical, df, ncp, lower.tail = FALSE) - power, c(0, 37), tol = 1e-13)$root
    needed <- NA
  }
  data.frame(
    overlap = overlap, n = n, significance = significance, power = power, df = df, detectable = digits(detectable),
    difference = digits(share * detectable), needed = digits(needed)
  )
}

rows <- list()
for (overlap in c(1, 3, 14)) for (n in c(8, 40, 61, 180, 1000)) for (significance in c(0.05, 0.05 / 24)) {
  for (power in c(0.5, 0.8, 0.95)) {
    if (n < 2 * overlap || (overlap > 1 && cosines(n, overlap) < 3)) next  # R's pt stops at ncp 37.6
    rows[[length(rows) + 1]] <- one(overlap, n, significance, power, c(0.3, 0.9, 1.4)[length(rows) %% 3 + 1])
  }
}
write.csv(do.call(rbind, rows), file.path(here, "planner.csv"), row.names = FALSE, quote = FALSE)
