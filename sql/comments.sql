-- What \dx+, \df+ and \d+ say of each object. A test fails for an object without a comment.

COMMENT ON FUNCTION @extschema@.forecast_ensemble(text, bigint, text[], float8, timestamptz, bigint, regclass) IS
'Forecasts one ticker: a row per step with the median forecast and the interval.
ticker: as in the price relation. horizon: trading days ahead, 1 to 252, default 21. models: names of models, default folio.models.
level: share of outcomes that the interval holds, 0.01 to 0.99, default 0.8. as_of: only prices up to then. history: newest prices used, default folio.history.
prices: the price relation, default folio.prices. Errors: 22023 unknown ticker or argument, PF004 history too short, PF005 bad prices.';

COMMENT ON FUNCTION @extschema@.forecast_ensemble(text[], bigint, text[], float8, timestamptz, bigint, regclass) IS
'Forecasts many tickers at once, all of the price relation if tickers is NULL: a row per ticker and step.
A ticker that cannot be forecast is one row whose status says why. The arguments are those of the function for one ticker.';

COMMENT ON FUNCTION @extschema@.forecast_members(text[], bigint, text[], timestamptz, bigint, regclass) IS
'Why a forecast is what it is: a row per ticker and model with its mean weight over the steps, its errors out of sample
(validation_rmse: of the log price over all steps; relative_mae: mean absolute error relative to the last price as forecast), the CPU time
of both fits and all forecasts in ms, the reason of a failure in status, and in detail the fit itself: for xgboost and ridge the features that matter,
for ets and theta the components (level: a price; trend and drift: of the log price a day).';

COMMENT ON FUNCTION @extschema@.forecast_views(text[], bigint, text[], timestamptz, bigint, regclass, float8) IS
'Forecasts as views for black_litterman: for each ticker {"assets": {ticker: 1}, "return": r, "variance": v}, r the annual arithmetic return of the forecast
at the horizon h, (n / h) ln(forecast / last price) and half the annual variance, v the variance that its calibrated interval amounts to. A ticker that cannot be forecast has no view. The arguments are those of forecast_ensemble,
and periods_per_year as in black_litterman.';

COMMENT ON FUNCTION @extschema@.forecast_intervals(text[], float8[], bigint, text[], timestamptz, bigint, regclass) IS
'Forecasts with intervals of several levels: a row per ticker, step and level, the intervals within one another.
levels: shares of outcomes that the intervals hold, each 0.01 to 0.99, default {0.5,0.8,0.95}. The other arguments are those of forecast_ensemble.';

COMMENT ON FUNCTION @extschema@.forecast_evaluate(text[], bigint, bigint, bigint, bigint, text, bigint, text[], bigint, timestamptz, regclass) IS
'How good forecasts would have been from past days (origins), each without a price after it: a row per ticker, model and step; model is ensemble, a member or naive.
All errors are of the log price. n: forecasts. mae, rmse; mase: relative to the mean daily change; relative_mae: relative to the last price; direction: share of right signs;
coverage_, mean_width_, interval_score_80 and _95: of the calibrated intervals, a member''s being those of it alone. status: ok, or what could not be evaluated and why.
origins: how many, default 20, the last ones that have an outcome for every step. stride: trading days between them, default horizon. gap: newest prices before an origin
that fits and weights do not see, default 0. fit_window: rolling (default), each fit sees history prices, or expanding, the first fit does and later ones all since.
refit_every: models are fitted and weighed at every so many origins, default 1, as forecast_ensemble would have; more is faster. Others: as in forecast_ensemble.';

COMMENT ON FUNCTION @extschema@.forecast_evaluate_summary(text[], bigint, bigint, bigint, bigint, text, bigint, text[], bigint, timestamptz, regclass) IS
'forecast_evaluate over all tickers: a row per model and step. tickers: how many have forecasts. dm_statistic: Diebold and Mariano''s of the absolute errors against
the last price''s, clustered by date (under zero: better than the last price), with its two-sided p_value. The other columns and the arguments are those of forecast_evaluate.';

COMMENT ON FUNCTION @extschema@.forecast_volatility(text[], bigint, text[], float8, bigint, timestamptz, regclass, float8) IS
'Forecasts the annual volatility of each ticker, all of the price relation if tickers is NULL: a row per ticker and step. volatility: of the step alone;
mean_volatility: of all steps up to it, the root of the mean variance; lower, upper: the realised volatility of the steps up to it falls between them with the share level.
0.2 is 20 % a year. models: ewma, garch, gjr_garch, garch_t, egarch, har, default all. level: 0.01 to 0.99, default 0.8. horizon, history, as_of, prices: as in forecast_ensemble.
periods_per_year: by which it annualises, as in black_litterman. status: ok, what is missing, or why there is no forecast. Errors: 22023, 53200.';

COMMENT ON FUNCTION @extschema@.volatility_members(text[], bigint, text[], bigint, timestamptz, regclass) IS
'Why a forecast of volatility is what it is: a row per ticker and model with its mean weight over the steps, its validation_qlike (mean of x / f + log(f / m) - 1 out of sample,
f the forecast variance, x the mean squared return that came, m that of the history; lower is better), the CPU time of both fits and all forecasts in ms,
the reason of a failure in status, and in detail the parameters, of returns in percent. The arguments are those of forecast_volatility.';

COMMENT ON FUNCTION @extschema@.volatility_evaluate(text[], bigint, bigint, bigint, bigint, text[], float8, bigint, timestamptz, regclass) IS
'How good forecasts of volatility would have been from past days (origins), each without a price after it, over all tickers: a row per model and step; model is ensemble,
a member, ewma or sample_variance, the yardsticks. Judged is the variance up to the step by the mean squared return that came. tickers, n: how many tickers and forecasts.
qlike: as in volatility_members. mse: squared error, of variances of returns in percent. mz_constant, mz_slope, mz_r_squared: what came regressed on what was forecast
(Mincer and Zarnowitz); 0 and 1 are without bias. coverage: share of realised volatilities inside of the ensemble''s interval. dm_ewma, dm_sample: Diebold and Mariano''s
statistic of qlike against the yardsticks, clustered by date (under zero: better), with two-sided p values. origins: default 20; stride: periods between them, default horizon;
refit_every: models are fitted at every so many origins, default 1. The other arguments are those of forecast_volatility.';

COMMENT ON FUNCTION @extschema@.value_at_risk(jsonb, float8, bigint, text, bigint, timestamptz, regclass) IS
'What given weights may lose over the horizon: a row per method. value_at_risk: the loss that is not passed with probability level; expected_shortfall: the mean loss
of the worst cases beyond it. Both are shares of the portfolio''s value, positive for a loss: 0.03 is 3 %. weights: {"AAPL": 0.6, "KO": 0.4}; what is not invested loses nothing.
level: 0.5 to 0.999, default 0.95. horizon: periods of the prices ahead, 1 to 252, default 1. method: historical, filtered_historical, student_t, cornish_fisher; default all.
n: returns, or stretches of the horizon. status: ok, or why a method has no number. history, as_of, prices: as in forecast_ensemble. Errors: 22023, PF004, PF005.';

COMMENT ON FUNCTION @extschema@.var_evaluate(jsonb, float8, bigint, text, bigint, bigint, bigint, timestamptz, regclass) IS
'How good value_at_risk would have been from many past days: a row per method. n: forecasts; exceedances: how many of them the loss passed, expected: how many it should have;
kupiec, christoffersen, conditional_coverage: are they as many, does one follow another by chance, both (a p_value under 0.05 says no); acerbi_szekely: under 0 where the losses
beyond were more or larger than the expected shortfalls say; quantile_loss: lower is better. origins: 1 to 10000, default 500; stride: periods from one to the next, the horizon or more,
default the horizon; history: prices before each origin. weights, level, horizon, method, as_of, prices: as in value_at_risk. status: ok, or from how many origins there is no
forecast, and why. Errors: 22023, PF004, PF005.';

COMMENT ON FUNCTION @extschema@.stress(jsonb, jsonb, text, bigint, timestamptz, regclass) IS
'What given weights would lose in a scenario: a row without a ticker for the whole, then one per ticker. weights: {"AAPL": 0.6, "KO": 0.4}, held through the scenario.
scenario: {"from": "2020-02-19", "to": "2020-03-23"} is the past from the last prices on or before the first day to those on or before the last;
{"shocks": {"AAPL": "-20 %"}} are given changes, after which the others do what the covariance expects of them. change: by what share the price, or the whole, changes; contribution: weight times
change, which sum to the whole; lowest: the lowest change on the way; origin: past, given or implied; first_ts, last_ts: the times of the past. covariance: as in black_litterman. history: all
prices where the scenario is of the past, else as in forecast_ensemble; as_of, prices: as there. Errors: 22023, PF002, PF004, PF005.';

COMMENT ON FUNCTION @extschema@.risk_attribution(jsonb, jsonb, text, bigint, timestamptz, regclass, float8) IS
'Where the volatility of given weights comes from: a row of kind total, one per ticker, and one per group under the name of its kind; the contributions of each kind sum
to the total. weight; volatility: a year, alone (a ticker at a weight of one, a group at its weights); marginal: by how much the total rises with a ticker''s weight;
contribution: weight times marginal (Euler), share: of the total. weights: {"AAPL": 0.6, "KO": 0.4}. groups: {"sector": {"AAPL": "Tech", "KO": "Staples"}}, null for a ticker
in none, whose row has no name. covariance, history, as_of, prices, periods_per_year: as in black_litterman. Errors: 22023, PF002, PF004, PF005.';

COMMENT ON TYPE @extschema@.forecast_result IS 'A forecast of bare numbers: what forecast_values and forecast_agg give';
COMMENT ON COLUMN @extschema@.forecast_result.forecast IS 'The median at step 1, 2, ..., horizon';
COMMENT ON COLUMN @extschema@.forecast_result.lower IS 'The lower bounds of the intervals';
COMMENT ON COLUMN @extschema@.forecast_result.upper IS 'The upper bounds of the intervals';
COMMENT ON COLUMN @extschema@.forecast_result.status IS 'ok, or what is missing, as in forecast_ensemble';

COMMENT ON FUNCTION @extschema@.forecast_values(float8[], bigint, jsonb) IS
'Forecasts prices given as an array, oldest first. Depends on its arguments alone, so it may be indexed and run anywhere.
options: {"models": ["naive", "theta"], "level": 0.8, "history": 1000, "season_lengths": [12], "seed": 42, "ticker": "AAPL"}, all optional; history: default all prices; season_lengths: in prices, default none; ticker: a name from which
random numbers are drawn: with the same one, and the same prices, models, seed and level, the numbers are those of forecast_ensemble. Errors: 22023, PF004, PF005.';

COMMENT ON AGGREGATE @extschema@.forecast_agg(timestamptz, float8, bigint) IS
'Forecasts the prices of a group, in the order of ts whatever the order of its rows; NULL for no rows. Times in its errors are UTC. horizon: that of the first row. The same as forecast_values.';
COMMENT ON AGGREGATE @extschema@.forecast_agg(timestamptz, float8, bigint, jsonb) IS
'The same with the options of forecast_values, those of the first row.';
COMMENT ON FUNCTION @extschema@.forecast_agg_row(internal, timestamptz, float8, bigint) IS 'Takes a row into forecast_agg';
COMMENT ON FUNCTION @extschema@.forecast_agg_row(internal, timestamptz, float8, bigint, jsonb) IS 'Takes a row into forecast_agg with options';
COMMENT ON FUNCTION @extschema@.forecast_agg_result(internal) IS 'What forecast_agg gives in the end';

COMMENT ON FUNCTION @extschema@.black_litterman(text[], jsonb, jsonb, text, float8, float8, float8, text, text, jsonb, bigint, timestamptz, regclass, float8) IS
'Black-Litterman portfolio: a row per ticker. Returns and volatilities are annual, returns total.
tickers: default all. views: array of strings like "AAPL = 10%" or "MSFT - GE = 5%", or of objects {"view": ..., "confidence": 0.6};
or {"views": [...], "omega": [...]}, or {"tickers": [...], "p": [[...]], "q": [...], "omega": ...} with omega a vector of variances or a matrix.
"group_weights": "equal", in a view''s object or beside "views", weighs the members of its groups the same; without it by market weight.
market_caps: {"AAPL": 2066, ...}. prior: market (default with market_caps), equal, historical, or an object of returns. risk_aversion: default 2.5. tau: default 0.05. risk_free_rate: annual, default 0.
covariance: ledoit_wolf (default), sample_cov, oas, exp_cov(span), ... objective: max_sharpe (default), min_volatility, max_quadratic_utility, ...
constraints: {"max_weight": 0.2, "groups": {"sector": {...}}, "group_max": {"sector:Energy": 0.3}, ...}. history, as_of, prices: as in forecast_ensemble.
periods_per_year: by which it annualises, default folio.periods_per_year, 0 what the prices'' times say: 252 for daily ones; a NOTICE tells another number.
Errors: 22023, PF001 infeasible, PF003 solver, PF004 history too short, PF005 bad prices.';

COMMENT ON FUNCTION @extschema@.market_implied_risk_aversion(text, float8, bigint, timestamptz, regclass, float8) IS
'The risk aversion at which the market of an index is in equilibrium: (mean annual return - risk_free_rate) / annual variance, for black_litterman''s risk_aversion.
ticker: the index, as in prices. periods_per_year: as in black_litterman. Errors: 22023 where the index did not beat the risk-free rate, PF004 history too short.';

COMMENT ON FUNCTION @extschema@.price_report(text[], bigint, timestamptz, regclass) IS
'What is odd about the prices of each ticker, all of the price relation if tickers is NULL: a row for each finding, or one whose finding is ok.
finding: missing (no number or no time), not_positive, duplicate (two prices of one bar), split (a move that looks like one without adjustment; value: its ratio),
outlier (value: price over the one before), jump (value: its return), gap (value: bars that are missing), stale (value: bars with one price),
ended (value: bars since then that other tickers have), irregular (value: share of stamps that fit), time_shift (value: hours), twin (another ticker''s returns).
ts, until: where. rows: how many were looked at. frequency, fit, periods_per_year: how often a price comes, the share of stamps that fit that, and bars a year.
At most 20 findings of a kind are listed of a ticker; the last says how many more there are. history: newest prices looked at, default folio.history.';

COMMENT ON FUNCTION @extschema@.observations(text[], bigint, timestamptz, regclass) IS
'The number of returns that a covariance of these tickers is estimated from: T, for tau => 1.0 / observations(...).';

COMMENT ON FUNCTION @extschema@.by_ticker(regclass, name, name) IS
'A column of a relation as {ticker: value, ...}: market capitalisations for market_caps, sectors for the groups of constraints.
relation: a table or view with one row for each ticker. value: the column. ticker: the column of the tickers. Error: 21000 where a ticker has several rows.';

COMMENT ON FUNCTION @extschema@.view_report(text[], jsonb, jsonb, text, float8, float8, float8, text, text, jsonb, bigint, timestamptz, regclass, float8) IS
'What each view did in the same call of black_litterman: its return before and after, how far it pulled the posterior, its variance (omega),
the confidence that it amounts to, and its contribution to each unconstrained weight. The arguments are those of black_litterman.';

COMMENT ON FUNCTION @extschema@.weight_report(text[], jsonb, jsonb, text, float8, float8, float8, text, text, jsonb, bigint, timestamptz, regclass, float8) IS
'Why each weight of the same call of black_litterman is what it is: a row per ticker. view_pull: what the views add to prior_return. limits: those that bind on the ticker, NULL where none does.
weight_without, return_without, volatility_without: its weight, and what the portfolio would be expected to return at which volatility, a year, by the same call without these limits
(a lower bound over 0 falls to 0, another one to -1, an upper bound rises to 1). Each set of limits that bind together is a computation more. The arguments are those of black_litterman.';

COMMENT ON FUNCTION @extschema@.optimize_portfolio(text[], text, jsonb, text, jsonb, float8, float8, text, bigint, timestamptz, regclass, float8) IS
'Weights from the prior alone, without views: a row per ticker. The arguments are those of black_litterman; prior may be historical.';

COMMENT ON FUNCTION @extschema@.efficient_frontier(text[], bigint, jsonb, jsonb, text, float8, float8, float8, text, jsonb, bigint, timestamptz, regclass, float8) IS
'The efficient frontier of prior and views, from the least volatility to the largest return in equal steps of return: a row per point with the weights by ticker.
points: default 20. The other arguments are those of black_litterman.';

COMMENT ON FUNCTION @extschema@.portfolio_performance(jsonb, jsonb, text[], jsonb, jsonb, text, float8, float8, float8, text, bigint, timestamptz, regclass, float8) IS
'What prior and views expect of given weights, {"AAPL": 0.3, ...}: return, volatility, Sharpe ratio; beside a benchmark''s weights, tracking error and turnover too. periods_per_year: by which they are annual.
The other arguments are those of black_litterman.';

COMMENT ON FUNCTION @extschema@.covariance_matrix(text[], text, bigint, timestamptz, regclass, float8) IS
'The annual covariance and correlation of returns: a row per pair of tickers. covariance, periods_per_year: as in black_litterman.';

COMMENT ON FUNCTION @extschema@.discrete_allocation(jsonb, float8, text, timestamptz, regclass) IS
'Whole shares for a sum of money, as near to the weights as the last prices allow: a row per ticker, and one for the cash that is left, with ticker NULL.
weights: {"AAPL": 0.3, ...}, shares of value; what they leave stays in cash, and the amounts of all rows add up to value. value: money, in the prices'' currency.
method: greedy (default) or exact, the least sum of |shares * price - weight * value| that leaves this cash;
the column method tells which it was, and that it was greedy where the search for the exact one came to no end.';

COMMENT ON FUNCTION @extschema@.rebalance_orders(jsonb, jsonb, float8, float8, float8, float8, float8, float8, float8, float8, float8, jsonb, text, boolean, boolean, jsonb, text, bigint, timestamptz, regclass, float8) IS
'What to buy and sell so that positions and cash come to target weights at the last prices: a row per ticker of either, and one of cash, with ticker NULL.
shares, amount: bought over zero, sold under it; of cash, amount is the change. cost: of the order. shares_after, value, weight: afterwards, weight_before and target_weight as shares of the value. The values and costs of all rows are the
value before, to the last digit. status: ok, or why nothing is traded, or not all. tracking_error: a year, what remains against the target, in the row of cash.
weights: {"AAPL": 0.6}; what they leave of 1 stays cash, a position without a weight is sold. positions: shares, {"AAPL": 10, "MSFT": "2.5"}. cash: money, in the prices'' currency, as all money here. lot_size: shares, default 1; lot_sizes by ticker.
minimum_ticket: least amount of an order. fee_fixed: money an order; fee_per_share: money; fee_bps: basis points of the amount; costs are rounded to the cent. cash_kept: least cash afterwards.
band: how far a weight may be from its target without a trade, 0.05 is 5 % of the value; relative_band: as a share of the target; the narrower holds. bands by ticker: {"AAPL": 0.02, "MSFT": {"relative": "25 %"}}. trade_to: target (default), or band, its edge.
fractional: lots of a millionth. buy_only: nothing is sold. method: greedy (default), or exact, the least sum of |value - goal| that the cash pays for. history: prices of the tracking error. docs/orders.md says more. Errors: 22023, 22004, PF005 bad prices.';

COMMENT ON FUNCTION @extschema@.backtest(text[], text, bigint, text, jsonb, text, jsonb, float8, float8, text, float8, text, bigint, timestamptz, regclass, float8, text, jsonb, float8) IS
'What an objective would have earned: a row per trading day from the first rebalance on. Weights are chosen at the close of each rebalance date from the returns
up to it, and earn from the next day on. Values begin at 1; returns and drawdowns are shares, not percent, and drawdowns 0 or under; turnover is the sum of the weights that were traded.
rebalance: month_end (default), quarter_end, year_end, or a number of rows as text, ''21'' for instance. lookback: the returns that weights are chosen from, default 252. transaction_cost: a share of the
money traded, default 0; one in constraints, by ticker if you like, is charged instead and counts in the choice.
benchmark: a ticker of the price relation, or weights, {"AAPL": 0.6}; without it the market weights; weights are bought on the same dates without cost.
on_failure: what becomes of a date on which no weights can be chosen: error (default), hold what is held, or equal weights. views, tau: as in black_litterman, joined with the window of each date.
history: default all prices. The other arguments are those of optimize_portfolio. max_turnover and transaction_cost in constraints count from what is held on each date.';

COMMENT ON FUNCTION @extschema@.backtest_weights(text[], text, bigint, text, jsonb, text, jsonb, float8, float8, text, float8, text, bigint, timestamptz, regclass, float8, text, jsonb, float8) IS
'The weights of a backtest: a row per rebalance date and ticker. held_weight: what prices had made of the weights before; weight: what was bought; change: the trade.
remark: why no weights could be chosen on the date, and what was done instead. The arguments are those of backtest.';

COMMENT ON FUNCTION @extschema@.backtest_summary(text[], text, bigint, text, jsonb, text, jsonb, float8, float8, text, float8, text, bigint, timestamptz, regclass, float8, text, jsonb, float8) IS
'What a backtest comes to: one row. annual_return and benchmark_return are compounded; volatility, tracking_error, turnover and the ratios are a year; total_return and cost are shares of the first value.
max_drawdown: 0 or under, from drawdown_from to drawdown_to; longest_drawdown: periods. hit_rate: the share of periods that gained. excess_kurtosis: 0 of a normal distribution.
failures: rebalance dates on which no weights could be chosen. Ratios are NULL where nothing varies. The arguments are those of backtest.';

COMMENT ON FUNCTION @extschema@.overfitting_report(float8[], bigint) IS
'Whether the best of the strategies that were tried is more than the luckiest: one row. returns: a row a period, oldest first, a column a strategy, over what they are to beat (the risk-free rate, a benchmark);
all that were tried, not only the best. strategy: the column of the largest sharpe_ratio, a period; expected_maximum: the largest that as many without skill would have.
deflated_sharpe_ratio (Bailey and Lopez de Prado 2014): the probability that it is over that; under 0.95 it may be luck. backtest_overfitting (Bailey and others 2017): how often the best of one half
of the time is in the worse half of the other; 0.5 is luck. reality_check (White 2000): the p-value of the largest mean; over 0.05 it may be luck. blocks: of time, even, default 16, at least 5 periods each.';

COMMENT ON FUNCTION @extschema@.bl_posterior(float8[], float8[], float8[], float8[], float8[], float8) IS
'The Black-Litterman posterior of plain arrays (He and Litterman 1999, formulas 8 to 10): covariance N x N, prior N, p K x N, q K,
omega K x K or its diagonal, tau. Gives the posterior mean (N) and Sigma + M (N x N).';

COMMENT ON FUNCTION @extschema@.fix_nonpositive_semidefinite(float8[], text) IS
'A symmetric matrix made positive semidefinite, for a covariance of your own that is refused with PF002: fixed_matrix, the smallest_eigenvalue that the given one
had, and the largest_change of an element, 0 where there was nothing to do. fix_method: spectral (default), negative eigenvalues become zero, the nearest such
matrix; or diag, 1.1 times the size of the smallest eigenvalue is added to the diagonal.';

COMMENT ON FUNCTION @extschema@.forecast_chart(text, bigint, text[], float8[], boolean, bigint, timestamptz, bigint, regclass, bigint, text) IS
'A forecast of one ticker as SVG: recent prices, the median path, and the fan of its intervals.
levels: of the fan, up to 5 shares from 0.01 to 0.99, default 0.5, 0.8 and 0.95. members: also the path of each model, default false. recent: prices shown
before the forecast, 2 to 5000, default six for each step. width: pixels, 320 to 3840, default 800. theme: light, dark, or auto (default), which follows
the reader''s preference. The other arguments and the errors are those of forecast_ensemble. The same prices, settings and seed give the same bytes.';

COMMENT ON FUNCTION @extschema@.frontier_chart(text[], jsonb, jsonb, text, float8, float8, float8, text, jsonb, bigint, timestamptz, regclass, bigint, text, float8) IS
'The efficient frontier of prior and views as SVG, with the portfolios of the largest Sharpe ratio and of least volatility, and each ticker alone.
width, theme: as in forecast_chart. The other arguments and the errors are those of black_litterman.';

COMMENT ON FUNCTION @extschema@.weights_chart(text, bigint, text) IS
'The weights of a portfolio over time as SVG, stacked, from weight_history: the eight tickers with the largest weights, and the others as one.
width, theme: as in forecast_chart. Error: 22023 where the portfolio has no weights yet.';

COMMENT ON FUNCTION @extschema@.accuracy_chart(text, bigint, bigint, text) IS
'What was forecast of a ticker against what came as SVG, from forecast_accuracy, with the share of outcomes inside the interval.
step: the forecasts of that many trading days ahead; by default the newest forecasts that do not overlap, each as its path.
width, theme: as in forecast_chart. Error: 22023 where no forecast of the ticker has an outcome yet.';

COMMENT ON FUNCTION @extschema@.running_calls() IS
'What every session computes now, from shared memory; empty where pg_folio is not in shared_preload_libraries. Rows of other users only for members of pg_read_all_stats.';
COMMENT ON FUNCTION @extschema@.thread_slots() IS
'The slots of compute threads: of the whole cluster where pg_folio is in shared_preload_libraries, else of this session.';

COMMENT ON VIEW @extschema@.pool_status IS
'The budget of compute threads, and a row for each session that computes now; one row with the budget alone while none does.';
COMMENT ON COLUMN @extschema@.pool_status.scope IS 'cluster: folio.max_threads holds over all sessions; session: each session has its own folio.threads_per_call';
COMMENT ON COLUMN @extschema@.pool_status.max_threads IS 'Compute threads that may run at once in that scope';
COMMENT ON COLUMN @extschema@.pool_status.slots_in_use IS 'Slots that are held now; NULL in scope session';
COMMENT ON COLUMN @extschema@.pool_status.pid IS 'Process id of the session''s backend; NULL while none computes';
COMMENT ON COLUMN @extschema@.pool_status.datname IS 'Its database';
COMMENT ON COLUMN @extschema@.pool_status.usename IS 'Its user';
COMMENT ON COLUMN @extschema@.pool_status.threads IS 'Its compute threads';
COMMENT ON COLUMN @extschema@.pool_status.running IS 'Slots that it holds';
COMMENT ON COLUMN @extschema@.pool_status.queued IS 'Tasks not done yet';
COMMENT ON COLUMN @extschema@.pool_status.done IS 'Tasks done, the failed ones included';
COMMENT ON COLUMN @extschema@.pool_status.failed IS 'Tasks without a result, such as a model that could not be fitted';
COMMENT ON COLUMN @extschema@.pool_status.cpu_ms IS 'CPU time of the tasks done, in milliseconds';

COMMENT ON VIEW @extschema@.progress IS 'How far each running call is.';
COMMENT ON COLUMN @extschema@.progress.pid IS 'Process id of the session''s backend';
COMMENT ON COLUMN @extschema@.progress.datname IS 'Its database';
COMMENT ON COLUMN @extschema@.progress.usename IS 'Its user';
COMMENT ON COLUMN @extschema@.progress.phase IS 'reading prices or computing';
COMMENT ON COLUMN @extschema@.progress.tasks_done IS 'Tasks done, the failed ones included';
COMMENT ON COLUMN @extschema@.progress.tasks_total IS 'Tasks of the call';
COMMENT ON COLUMN @extschema@.progress.tasks_failed IS 'Tasks without a result';
COMMENT ON COLUMN @extschema@.progress.threads IS 'Its compute threads';
COMMENT ON COLUMN @extschema@.progress.elapsed IS 'Time since the call began';
COMMENT ON COLUMN @extschema@.progress.remaining IS 'Estimate of the time left, from the tasks done so far';
