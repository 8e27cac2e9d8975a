# Reference values from R, written beside this script: the inputs too, so that nothing depends on a random generator.
#
#   Rscript dm_test.R          made with R 4.2.2, forecast 8.20
#
# losses.csv              case, loss_a, loss_b: one row per window
# dm_test.csv             forecast::dm.test on them (power 1 of non-negative errors: the losses themselves)
# fixed_smoothing.csv     equal-weighted cosines by regression: lm(d ~ cosines), the intercept over the coefficients
# weighted_periodogram.csv  the periodogram by spec.pgram, untapered: its m lowest ordinates are the long-run variance
# holm.csv                p.adjust(method = "holm")
# benjamini_hochberg.csv  p.adjust(method = "BH")
# directions.csv          case, actual, predicted: strings of 1 (up) and 0
# pesaran_timmermann.csv  the published formula, and chisq.test: the squared statistic is n / (n - 1) times Pearson's
#                         chi-squared of the 2 x 2 table; the script stops where the two disagree

suppressMessages(library(forecast))

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
digits <- function(x) ifelse(is.na(x), "NA", sprintf("%.17g", x))
save <- function(table, name) write.csv(table, file.path(here, name), row.names = FALSE, quote = FALSE)

# --- losses -------------------------------------------------------------------------------------------------------

# Absolute errors of moving averages of order `h` - 1: what overlapping windows of skill-free models give.
overlapping <- function(n, h, worse = 1) {
  errors <- function(scale) abs(scale * stats::filter(rnorm(n + h - 1), rep(1, h), sides = 1)[h:(n + h - 1)])
  data.frame(loss_a = errors(1), loss_b = errors(worse))
}

# Real data: the flow of the Nile (datasets::Nile, 100 years); the last value against the mean of the last ten.
nile <- function(step) {
  y <- as.numeric(datasets::Nile)
  cutoffs <- 10:(length(y) - step)
  data.frame(
    loss_a = sapply(cutoffs, function(t) abs(y[t + step] - mean(y[(t - 9):t]))),
    loss_b = sapply(cutoffs, function(t) abs(y[t + step] - y[t]))
  )
}

set.seed(20260101)
losses <- list(
  iid_10 = overlapping(10, 1, 1.5),
  iid_40 = overlapping(40, 1, 1.2),
  ma2_25 = overlapping(25, 2),
  ma7_60 = overlapping(60, 7),
  ma7_125 = overlapping(125, 7, 1.3),
  ma14_40 = overlapping(40, 14),
  ma14_180 = overlapping(180, 14, 1.4),
  nile_1 = nile(1),
  nile_7 = nile(7),
  nile_14 = nile(14)
)
# Alternating winners: the variance over one lag, and over some more, is negative.
signs <- rep(c(1, -1), 15)
losses$alternating_30 <- data.frame(loss_a = 5 + signs + 0.3 * abs(rnorm(30)), loss_b = rep(5, 30))
# The format the values travel in is the input itself.
losses <- lapply(losses, function(l) data.frame(lapply(l, function(x) as.numeric(digits(x)))))

save(do.call(rbind, lapply(names(losses), function(case) {
  data.frame(case = case, loss_a = digits(losses[[case]]$loss_a), loss_b = digits(losses[[case]]$loss_b))
})), "losses.csv")

# --- Diebold-Mariano ----------------------------------------------------------------------------------------------

rows <- list()
for (case in names(losses)) for (overlap in c(1, 2, 7, 14)) for (variance in c("acf", "bartlett")) {
  if (overlap >= nrow(losses[[case]])) next
  for (alternative in c("two.sided", "less", "greater")) {
    negative <- FALSE
    test <- withCallingHandlers(
      dm.test(losses[[case]]$loss_a, losses[[case]]$loss_b, alternative, overlap, 1, variance),
      warning = function(w) { negative <<- TRUE; invokeRestart("muffleWarning") }
    )
    rows[[length(rows) + 1]] <- data.frame(
      case = case, overlap = overlap, variance = variance, alternative = sub(".", "-", alternative, fixed = TRUE),
      statistic = digits(test$statistic), pvalue = digits(test$p.value), negative_variance = negative
    )
  }
}
save(do.call(rbind, rows), "dm_test.csv")

# --- fixed smoothing ----------------------------------------------------------------------------------------------

rows <- list()
for (case in names(losses)) for (overlap in c(1, 2, 7, 14)) {
  d <- losses[[case]]$loss_a - losses[[case]]$loss_b
  n <- length(d)
  if (overlap >= n) next
  # round(x, 9): n^(2/3) of a cube is a hair off the integer it should be.
  cosines <- max(1, min(floor(round(0.4 * n^(2 / 3), 9)), floor(n / overlap)))
  x <- sapply(seq_len(cosines), function(j) cos(pi * j * (seq_len(n) - 0.5) / n))
  fit <- coef(lm(d ~ x))
  # Orthogonal regressors with sum of squares n / 2: each coefficient is a scaled projection.
  omega <- mean((n / 2) * fit[-1]^2)
  statistic <- sqrt(n) * fit[[1]] / sqrt(omega)
  rows[[length(rows) + 1]] <- data.frame(
    case = case, overlap = overlap, cosines = cosines, statistic = digits(statistic),
    two_sided = digits(2 * pt(-abs(statistic), cosines)), less = digits(pt(statistic, cosines)),
    greater = digits(pt(statistic, cosines, lower.tail = FALSE))
  )
}
save(do.call(rbind, rows), "fixed_smoothing.csv")

# --- weighted periodogram (Coroneo and Iacone) --------------------------------------------------------------------

rows <- list()
for (case in names(losses)) {
  d <- losses[[case]]$loss_a - losses[[case]]$loss_b
  n <- length(d)
  # By integers, because 125^(1/3) is a hair below 5. The ordinates are of unit frequency: 2 pi is in them.
  m <- max(which((1:n)^3 <= n))
  spectrum <- spec.pgram(d, taper = 0, detrend = FALSE, demean = TRUE, fast = FALSE, plot = FALSE)
  stopifnot(isTRUE(all.equal(spectrum$freq[1:m], (1:m) / n)))
  statistic <- sqrt(n) * mean(d) / sqrt(mean(spectrum$spec[1:m]))
  rows[[length(rows) + 1]] <- data.frame(
    case = case, ordinates = m, statistic = digits(statistic), two_sided = digits(2 * pt(-abs(statistic), 2 * m)),
    less = digits(pt(statistic, 2 * m)), greater = digits(pt(statistic, 2 * m, lower.tail = FALSE))
  )
}
save(do.call(rbind, rows), "weighted_periodogram.csv")

# --- p-values adjusted for their number ---------------------------------------------------------------------------

pvalues <- list(
  plain = c(0.01, 0.04, 0.03, 0.005),
  missing = c(NA, 0.02, 0.9, NA, 0.013, 0.2),
  ties = c(0.02, 0.02, 0.5, 0.02, 1),
  one = 0.3,
  one_of_two = c(0.3, NA),
  none = c(NA_real_, NA_real_),
  twenty = round(runif(20)^3, 6),
  extremes = c(0, 1, 1e-300, 0.5)
)
adjusted <- function(method, name) do.call(rbind, lapply(names(pvalues), function(case) {
  p <- pvalues[[case]]
  setNames(data.frame(case, digits(p), digits(p.adjust(p, method))), c("case", "pvalue", name))
}))
save(adjusted("holm", "holm"), "holm.csv")
save(adjusted("BH", "benjamini_hochberg"), "benjamini_hochberg.csv")

# --- Pesaran-Timmermann -------------------------------------------------------------------------------------------

calls <- function(n, up, skill) {
  actual <- rbinom(n, 1, up)
  data.frame(actual = actual, predicted = ifelse(runif(n) < skill, actual, rbinom(n, 1, up)))
}
y <- as.numeric(datasets::Nile)
directions <- list(
  no_skill_20 = calls(20, 0.5, 0),
  skill_40 = calls(40, 0.5, 0.4),
  drifting_120 = calls(120, 0.7, 0.1),
  contrarian_60 = transform(calls(60, 0.5, 0.5), predicted = 1 - predicted),
  perfect_24 = calls(24, 0.5, 1),
  # Does the Nile move back to its mean of the last ten years?
  nile = data.frame(
    actual = as.integer(sapply(10:99, function(t) y[t + 1] > y[t])),
    predicted = as.integer(sapply(10:99, function(t) mean(y[(t - 9):t]) > y[t]))
  )
)
save(data.frame(
  case = names(directions),
  actual = sapply(directions, function(x) paste(x$actual, collapse = "")),
  predicted = sapply(directions, function(x) paste(x$predicted, collapse = ""))
), "directions.csv")

save(do.call(rbind, lapply(names(directions), function(case) {
  x <- directions[[case]]
  n <- nrow(x)
  py <- mean(x$actual)
  px <- mean(x$predicted)
  star <- py * px + (1 - py) * (1 - px)
  v_hit <- star * (1 - star) / n
  v_star <- ((2 * py - 1)^2 * px * (1 - px) + (2 * px - 1)^2 * py * (1 - py)) / n +
    4 * py * px * (1 - py) * (1 - px) / n^2
  statistic <- (mean(x$actual == x$predicted) - star) / sqrt(v_hit - v_star)
  pearson <- suppressWarnings(chisq.test(table(x$actual, x$predicted), correct = FALSE)$statistic)
  stopifnot(abs(statistic^2 / (pearson * n / (n - 1)) - 1) < 1e-10)
  data.frame(case = case, n = n, statistic = digits(statistic), pvalue = digits(pnorm(statistic, lower.tail = FALSE)))
})), "pesaran_timmermann.csv")
