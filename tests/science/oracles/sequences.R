# Reference values from base R: confidence limits valid at every look, by plain formulas, one look at a time.
#
#   Rscript sequences.R        made with R 4.2.2
#
# sequences.csv   case, overlap, start, level, n, difference, mean, lower, upper: one row per window; NA before `start`

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
digits <- function(x) ifelse(is.na(x), "NA", sprintf("%.17g", x))

# The largest of three variances of the mean: all autocovariances, Bartlett's weights, independence; each with the
# small-sample factor of Harvey, Leybourne and Newbold.
standard_error <- function(d, h) {
  n <- length(d)
  c <- acf(d, lag.max = h - 1, type = "covariance", plot = FALSE)$acf[, 1, 1]
  lags <- seq_len(h - 1)
  all <- c[1] + 2 * sum(c[-1])
  bartlett <- c[1] + 2 * sum((1 - lags / h) * c[-1])
  sqrt(max(all, bartlett, c[1]) / n) / sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
}

# Lai 1976: the boundary a at the first look m solves 2 P(t > a) + 2 a f(a) = 1 - level, Student's t with m - 1.
boundary <- function(nu, m, level) {
  excess <- function(a) 2 * pt(a, m - 1, lower.tail = FALSE) + 2 * a * dt(a, m - 1) - (1 - level)
  a <- uniroot(excess, c(0, 1e6), tol = 1e-13, maxiter = 10000)$root
  b <- (1 + a^2 / (m - 1))^m / m
  sqrt((nu - 1) * ((b * nu)^(1 / nu) - 1))
}

set.seed(20260102)
overlapping <- function(n, h) as.numeric(stats::filter(rnorm(n + h - 1), rep(1, h), sides = 1)[h:(n + h - 1)])
cases <- list(
  normal = list(d = rnorm(30, 0.3), overlap = 1, start = 8, level = 0.95),
  skewed = list(d = 1000 + rexp(40), overlap = 1, start = 20, level = 0.9),
  overlap_3 = list(d = abs(overlapping(60, 3)) - abs(overlapping(60, 3)), overlap = 3, start = 40, level = 0.9),
  overlap_14 = list(d = abs(overlapping(80, 14)) - abs(overlapping(80, 14)), overlap = 14, start = 28, level = 0.95),
  alternating = list(d = 0.2 + rep(c(1, -1), 10) + 0.1 * rnorm(20), overlap = 2, start = 8, level = 0.8)
)
save <- lapply(names(cases), function(case) with(cases[[case]], {
  d <- as.numeric(digits(d))
  limits <- sapply(seq_along(d), function(n) {
    if (n < start) return(c(NA, NA))
    mean(d[1:n]) + c(-1, 1) * boundary(n / overlap, start / overlap, level) * standard_error(d[1:n], overlap)
  })
  data.frame(
    case = case, overlap = overlap, start = start, level = level, n = seq_along(d), difference = digits(d),
    mean = digits(cumsum(d) / seq_along(d)), lower = digits(limits[1, ]), upper = digits(limits[2, ])
  )
}))
write.csv(do.call(rbind, save), file.path(here, "sequences.csv"), row.names = FALSE, quote = FALSE)
