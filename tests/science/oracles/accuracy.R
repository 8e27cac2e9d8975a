# Reference values from R for the metrics of an evaluation, written beside this script with the data they belong to.
#
#   Rscript accuracy.R          made with R 4.2.2, forecast 8.20
#
# accuracy_series.csv     case, ds, y: the series, all from R's own `datasets`
# accuracy_forecasts.csv  case, model, cutoff, step, y_hat: models of `forecast`, walked forward
# accuracy.csv            case, model, then under the names of model_runs:
#   mae, rmse, mape of a step   forecast::accuracy of that step's forecasts, one a window
#   mase_14day                  mean of forecast::accuracy(model, y, test = 14)["Test set", "MASE"] over the windows
#   mae_path, naive_mae_path    mean of forecast::accuracy(model, y)["Test set", "MAE"] over the windows
#   dm_test_vs_naive, dm_pvalue forecast::dm.test of those window losses; where windows overlap, equal-weighted
#                               cosines by regression, as in dm_test.R
#   pt_pvalue                   chisq.test of up and down at step H: the squared statistic is n / (n - 1) times
#                               Pearson's

suppressMessages(library(forecast))

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
digits <- function(x) ifelse(is.na(x), "NA", sprintf("%.17g", x))
save <- function(table, name) write.csv(table, file.path(here, name), row.names = FALSE, quote = FALSE)
years <- function(first, n) as.Date(paste0(first - 1 + seq_len(n), "-01-01"))
weekdays_from <- function(first, n) {
  days <- as.Date(first) + 0:(2 * n)
  days[!format(days, "%u") %in% c("6", "7")][1:n]
}

dax <- as.numeric(tail(datasets::EuStockMarkets[, "DAX"], 700))
cases <- list(
  # trading days, 40 windows end to end, in points
  dax = list(ds = weekdays_from("1995-12-18", 700), y = dax, horizon = 14, step_size = 14, n_windows = 40),
  # the same in steps of 25 points: many days do not move
  dax_coarse = list(
    ds = weekdays_from("1995-12-18", 700), y = 25 * round(dax / 25), horizon = 7, step_size = 7, n_windows = 30
  ),
  # whole numbers from 39 to 6991, one year ahead
  lynx = list(ds = years(1821, 114), y = as.numeric(datasets::lynx), horizon = 1, step_size = 1, n_windows = 50),
  # windows overlap threefold
  huron = list(ds = years(1875, 98), y = as.numeric(datasets::LakeHuron), horizon = 14, step_size = 5, n_windows = 10)
)

# A model keeps its training data: `accuracy` computes the scale of MASE from it.
fitted_to <- function(train, mean) structure(list(x = ts(train), mean = mean, fitted = ts(train)), class = "forecast")
models <- list(
  drift = function(train, h) fitted_to(train, rwf(ts(train), h = h, drift = TRUE)$mean),
  mean = function(train, h) {
    model <- meanf(ts(tail(train, 20)), h = h)
    fitted_to(train, ts(as.numeric(model$mean), start = length(train) + 1))
  },
  # makes no call at every third step
  hesitant = function(train, h) {
    model <- splinef(ts(tail(train, 30)), h = h)
    y_hat <- ifelse(seq_len(h) %% 3 == 1 & h > 1, tail(train, 1), as.numeric(model$mean))
    fitted_to(train, ts(y_hat, start = length(train) + 1))
  }
)
naive_model <- function(train, h) fitted_to(train, naive(ts(train), h = h)$mean)

dm <- function(model_losses, naive_losses, overlap) {
  d <- model_losses - naive_losses
  n <- length(d)
  if (overlap == 1) {
    test <- dm.test(model_losses, naive_losses, h = 1, power = 1)
    return(c(test$statistic, test$p.value))
  }
  cosines <- max(1, min(floor(round(0.4 * n^(2 / 3), 9)), floor(n / overlap)))
  x <- sapply(seq_len(cosines), function(j) cos(pi * j * (seq_len(n) - 0.5) / n))
  fit <- coef(lm(d ~ x))
  statistic <- sqrt(n) * fit[[1]] / sqrt(mean((n / 2) * fit[-1]^2))
  c(statistic, 2 * pt(-abs(statistic), cosines))
}

pesaran_timmermann <- function(actual, called) {
  told <- actual != 0 & called != 0
  up <- actual[told] > 0
  said_up <- called[told] > 0
  n <- length(up)
  if (n < 20 || length(unique(up)) == 1 || length(unique(said_up)) == 1) return(NA)
  pearson <- suppressWarnings(chisq.test(table(up, said_up), correct = FALSE)$statistic)
  side <- sign(mean(up == said_up) - mean(up) * mean(said_up) - (1 - mean(up)) * (1 - mean(said_up)))
  pnorm(side * sqrt(pearson * n / (n - 1)), lower.tail = FALSE)
}

cells <- rows <- list()
for (case in names(cases)) for (model in names(models)) {
  s <- cases[[case]]
  n <- length(s$y)
  cutoffs <- tail(seq(1, n - s$horizon, by = s$step_size), s$n_windows)
  fits <- lapply(cutoffs, function(t) models[[model]](s$y[1:t], s$horizon))
  naive_fits <- lapply(cutoffs, function(t) naive_model(s$y[1:t], s$horizon))
  y <- t(matrix(sapply(cutoffs, function(t) s$y[t + seq_len(s$horizon)]), nrow = s$horizon))
  # The format the values travel in is the input itself.
  y_hat <- t(matrix(sapply(fits, function(f) as.numeric(digits(as.numeric(f$mean)))), nrow = s$horizon))
  future <- function(i) ts(y[i, ], start = cutoffs[i] + 1)
  figure <- function(fit, i, name, test = NULL) accuracy(fit, future(i), test = test, d = 1, D = 0)["Test set", name]
  path <- function(of) sapply(seq_along(cutoffs), function(i) figure(of[[i]], i, "MAE"))
  losses <- path(fits)
  naive_losses <- path(naive_fits)
  at <- function(step, name) if (step > s$horizon) NA else accuracy(y_hat[, step], y[, step])["Test set", name]
  mase <- if (s$horizon < 14) NA else mean(sapply(seq_along(cutoffs), function(i) figure(fits[[i]], i, "MASE", 14)))
  overlap <- ceiling(s$horizon / s$step_size)
  test <- dm(losses, naive_losses, overlap)
  last <- s$horizon
  day0 <- s$y[cutoffs]
  pt <- if (overlap > 1) NA else pesaran_timmermann(y[, last] - day0, y_hat[, last] - day0)

  rows[[length(rows) + 1]] <- data.frame(
    case = case, model = model, n_windows = length(cutoffs), horizon = s$horizon, step_size = s$step_size,
    mae_1day = digits(at(1, "MAE")), mae_7day = digits(at(7, "MAE")), mae_14day = digits(at(14, "MAE")),
    rmse_14day = digits(at(14, "RMSE")), mape_14day = digits(at(14, "MAPE")), mase_14day = digits(mase),
    mae_path = digits(mean(losses)), naive_mae_path = digits(mean(naive_losses)),
    dm_test_vs_naive = digits(test[1]), dm_pvalue = digits(test[2]), pt_pvalue = digits(pt)
  )
  for (i in seq_along(cutoffs)) {
    cells[[length(cells) + 1]] <- data.frame(
      case = case, model = model, cutoff = s$ds[cutoffs[i]], step = seq_len(s$horizon), y_hat = digits(y_hat[i, ])
    )
  }
}
save(do.call(rbind, rows), "accuracy.csv")
save(do.call(rbind, cells), "accuracy_forecasts.csv")
save(do.call(rbind, lapply(names(cases), function(case) {
  data.frame(case = case, ds = cases[[case]]$ds, y = sprintf("%.15g", cases[[case]]$y))
})), "accuracy_series.csv")
