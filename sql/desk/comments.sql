-- What \d+ and \df+ say of the desk's objects.

COMMENT ON TABLE @extschema@.portfolio IS 'What a rebalance is made with: a row per portfolio, made by folio.create_portfolio. A change holds from the next run on; NULL means the default or the setting.';
COMMENT ON COLUMN @extschema@.portfolio.portfolio_id IS 'Key';
COMMENT ON COLUMN @extschema@.portfolio.name IS 'What people call it';
COMMENT ON COLUMN @extschema@.portfolio.owner IS 'The role whose it is: it and its members change, run and drop it, and its rights read the prices';
COMMENT ON COLUMN @extschema@.portfolio.shared_with IS 'Roles that see it and its results: folio.share_portfolio';
COMMENT ON COLUMN @extschema@.portfolio.tickers IS 'The assets; NULL is every ticker of the price relation';
COMMENT ON COLUMN @extschema@.portfolio.market_caps IS 'Market values, {"AAPL": 2066, ...}: the market prior';
COMMENT ON COLUMN @extschema@.portfolio.views IS 'The portfolio''s own views, as in black_litterman';
COMMENT ON COLUMN @extschema@.portfolio.use_forecasts IS 'Whether every run makes views from forecasts too';
COMMENT ON COLUMN @extschema@.portfolio.objective IS 'As in black_litterman';
COMMENT ON COLUMN @extschema@.portfolio.constraints IS 'As in black_litterman; a run adds current_weights where they speak of trades';
COMMENT ON COLUMN @extschema@.portfolio.covariance IS 'As in black_litterman';
COMMENT ON COLUMN @extschema@.portfolio.prior IS 'As in black_litterman';
COMMENT ON COLUMN @extschema@.portfolio.risk_aversion IS 'As in black_litterman';
COMMENT ON COLUMN @extschema@.portfolio.tau IS 'As in black_litterman';
COMMENT ON COLUMN @extschema@.portfolio.risk_free_rate IS 'As in black_litterman';
COMMENT ON COLUMN @extschema@.portfolio.horizon IS 'Trading days ahead that forecasts reach';
COMMENT ON COLUMN @extschema@.portfolio.models IS 'The models of the ensemble';
COMMENT ON COLUMN @extschema@.portfolio.level IS 'Share of outcomes that intervals hold';
COMMENT ON COLUMN @extschema@.portfolio.history IS 'Newest prices used of each ticker';
COMMENT ON COLUMN @extschema@.portfolio.prices IS 'The price relation, with its schema';
COMMENT ON COLUMN @extschema@.portfolio.created_at IS 'When it was made';

COMMENT ON TABLE @extschema@.run IS 'A row for each run of a rebalance or of forecasts, from its start. folio.run_history shows it with names.';
COMMENT ON COLUMN @extschema@.run.run_id IS 'Key';
COMMENT ON COLUMN @extschema@.run.kind IS 'rebalance, forecast, or outcome for a comparison with prices that failed';
COMMENT ON COLUMN @extschema@.run.portfolio_id IS 'The portfolio; NULL for forecasts alone';
COMMENT ON COLUMN @extschema@.run.settings IS 'What the run was made with, as of its start';
COMMENT ON COLUMN @extschema@.run.status IS 'running, succeeded, unchanged where there was nothing to do, or failed';
COMMENT ON COLUMN @extschema@.run.as_of IS 'Time of the newest price that was read; before the prices are read, the time asked for';
COMMENT ON COLUMN @extschema@.run.tickers IS 'The tickers that were read';
COMMENT ON COLUMN @extschema@.run.time_zone IS 'Time zone in which days of the prices begin, where their times have no zone: folio.time_zone, else log_timezone';
COMMENT ON COLUMN @extschema@.run.fingerprint IS 'Hash of the prices and of all that the forecasts depend on';
COMMENT ON COLUMN @extschema@.run.forecast_run_id IS 'The run whose forecasts were used: this one where they were computed';
COMMENT ON COLUMN @extschema@.run.turnover IS 'Sum of the absolute changes of weights, bought and sold';
COMMENT ON COLUMN @extschema@.run.started_at IS 'Start';
COMMENT ON COLUMN @extschema@.run.finished_at IS 'End';
COMMENT ON COLUMN @extschema@.run.run_by IS 'The role that ran it';
COMMENT ON COLUMN @extschema@.run.pid IS 'Process id of the session';
COMMENT ON COLUMN @extschema@.run.sqlstate IS 'SQLSTATE of the failure';

COMMENT ON TABLE @extschema@.failure IS 'What failed runs said: for the owner alone, since it may quote his prices.';
COMMENT ON COLUMN @extschema@.failure.run_id IS 'The run';
COMMENT ON COLUMN @extschema@.failure.message IS 'Message of the failure';
COMMENT ON COLUMN @extschema@.failure.detail IS 'Detail of the failure';
COMMENT ON COLUMN @extschema@.failure.hint IS 'Hint of the failure';

COMMENT ON TABLE @extschema@.outcome IS 'The prices that came for stored forecasts: what folio.forecast_accuracy compares them with.';
COMMENT ON COLUMN @extschema@.outcome.run_id IS 'The run';
COMMENT ON COLUMN @extschema@.outcome.ticker IS 'As in the price relation';
COMMENT ON COLUMN @extschema@.outcome.step IS 'Trading days ahead';
COMMENT ON COLUMN @extschema@.outcome.actual IS 'The price that came; NULL if it is gone again';

COMMENT ON TABLE @extschema@.value IS 'What portfolios were worth on each day: what folio.portfolio_value shows.';
COMMENT ON COLUMN @extschema@.value.portfolio_id IS 'The portfolio';
COMMENT ON COLUMN @extschema@.value.ts IS 'Day';
COMMENT ON COLUMN @extschema@.value.value IS 'Value; 1 at the first rebalance; NULL if its prices are gone';

COMMENT ON TABLE @extschema@.forecast IS 'Stored forecasts: a row per run, ticker and step.';
COMMENT ON COLUMN @extschema@.forecast.run_id IS 'The run';
COMMENT ON COLUMN @extschema@.forecast.ticker IS 'As in the price relation';
COMMENT ON COLUMN @extschema@.forecast.step IS 'Trading days ahead; 0 for a ticker that could not be forecast';
COMMENT ON COLUMN @extschema@.forecast.ts IS 'When it falls; NULL where nobody can know, as for irregular times';
COMMENT ON COLUMN @extschema@.forecast.forecast IS 'The median';
COMMENT ON COLUMN @extschema@.forecast.lower IS 'Lower bound of the interval';
COMMENT ON COLUMN @extschema@.forecast.upper IS 'Upper bound of the interval';
COMMENT ON COLUMN @extschema@.forecast.level IS 'Share of outcomes that the interval holds';
COMMENT ON COLUMN @extschema@.forecast.last_close IS 'The price that the forecast starts from';
COMMENT ON COLUMN @extschema@.forecast.periods_per_year IS 'Steps of a year: what its view is annualised by';
COMMENT ON COLUMN @extschema@.forecast.status IS 'As in forecast_ensemble';

COMMENT ON TABLE @extschema@.forecast_member IS 'The models of stored forecasts, as forecast_members gives them.';
COMMENT ON COLUMN @extschema@.forecast_member.run_id IS 'The run';
COMMENT ON COLUMN @extschema@.forecast_member.ticker IS 'As in the price relation';
COMMENT ON COLUMN @extschema@.forecast_member.model IS 'The model';
COMMENT ON COLUMN @extschema@.forecast_member.weight IS 'Its mean weight over the steps';
COMMENT ON COLUMN @extschema@.forecast_member.status IS 'ok, or why it is missing';
COMMENT ON COLUMN @extschema@.forecast_member.validation_rmse IS 'Error of the log price out of sample';
COMMENT ON COLUMN @extschema@.forecast_member.relative_mae IS 'Mean absolute error relative to the last price as forecast';
COMMENT ON COLUMN @extschema@.forecast_member.fit_ms IS 'CPU time in milliseconds';
COMMENT ON COLUMN @extschema@.forecast_member.detail IS 'The fit itself';

COMMENT ON TABLE @extschema@.weight IS 'The weights of runs with what they come from, as black_litterman gives them.';
COMMENT ON COLUMN @extschema@.weight.run_id IS 'The run';
COMMENT ON COLUMN @extschema@.weight.ticker IS 'As in the price relation';
COMMENT ON COLUMN @extschema@.weight.weight IS 'Share of the portfolio';
COMMENT ON COLUMN @extschema@.weight.market_weight IS 'Share of the market, or of the prior';
COMMENT ON COLUMN @extschema@.weight.prior_return IS 'Annual return before the views';
COMMENT ON COLUMN @extschema@.weight.view_return IS 'Annual return that the views on this ticker state';
COMMENT ON COLUMN @extschema@.weight.posterior_return IS 'Annual return after the views';
COMMENT ON COLUMN @extschema@.weight.posterior_volatility IS 'Annual volatility';
COMMENT ON COLUMN @extschema@.weight.active_weight IS 'weight less market_weight';
COMMENT ON COLUMN @extschema@.weight.risk_contribution IS 'Share of the portfolio''s variance';

COMMENT ON TABLE @extschema@.trade IS 'What each run changes against what its portfolio held: the weights of the newest earlier as_of, as prices had moved them.';
COMMENT ON COLUMN @extschema@.trade.run_id IS 'The run';
COMMENT ON COLUMN @extschema@.trade.ticker IS 'As in the price relation';
COMMENT ON COLUMN @extschema@.trade.previous_weight IS 'Weight before: that of the newest earlier rebalance as prices had moved it; 0 if there is none';
COMMENT ON COLUMN @extschema@.trade.weight IS 'Weight of this one';
COMMENT ON COLUMN @extschema@.trade.change IS 'weight less previous_weight: bought if over zero';

COMMENT ON TABLE @extschema@.view IS 'The views of runs and what they did, as view_report gives them.';
COMMENT ON COLUMN @extschema@.view.run_id IS 'The run';
COMMENT ON COLUMN @extschema@.view.position IS 'Number of the view in the call';
COMMENT ON COLUMN @extschema@.view.source IS 'portfolio: its own; forecast: made from a forecast';
COMMENT ON COLUMN @extschema@.view.view IS 'The view as it was written, or the ticker with the return that its forecast amounts to';
COMMENT ON COLUMN @extschema@.view.view_return IS 'The return it states';
COMMENT ON COLUMN @extschema@.view.prior_return IS 'Its return before';
COMMENT ON COLUMN @extschema@.view.posterior_return IS 'Its return after';
COMMENT ON COLUMN @extschema@.view.pull IS 'How far it moved the posterior';
COMMENT ON COLUMN @extschema@.view.variance IS 'Its uncertainty (omega)';
COMMENT ON COLUMN @extschema@.view.implied_confidence IS 'The confidence that amounts to';
COMMENT ON COLUMN @extschema@.view.contribution IS 'Its contribution to each unconstrained weight';

COMMENT ON VIEW @extschema@.latest_forecast IS 'The newest stored forecast of each ticker: a row per step.';
COMMENT ON COLUMN @extschema@.latest_forecast.ticker IS 'As in the price relation';
COMMENT ON COLUMN @extschema@.latest_forecast.as_of IS 'Time of the newest price that the run read';
COMMENT ON COLUMN @extschema@.latest_forecast.step IS 'Trading days ahead; NULL for a ticker that could not be forecast';
COMMENT ON COLUMN @extschema@.latest_forecast.ts IS 'When it falls; NULL where nobody can know, as for irregular times';
COMMENT ON COLUMN @extschema@.latest_forecast.forecast IS 'The median';
COMMENT ON COLUMN @extschema@.latest_forecast.lower IS 'Lower bound of the interval';
COMMENT ON COLUMN @extschema@.latest_forecast.upper IS 'Upper bound of the interval';
COMMENT ON COLUMN @extschema@.latest_forecast.level IS 'Share of outcomes that the interval holds';
COMMENT ON COLUMN @extschema@.latest_forecast.status IS 'As in forecast_ensemble';
COMMENT ON COLUMN @extschema@.latest_forecast.last_close IS 'The price that the forecast starts from';

COMMENT ON VIEW @extschema@.current_weight IS 'The weights of each portfolio''s newest as_of: a row per ticker. A run that fails leaves them as they are.';
COMMENT ON COLUMN @extschema@.current_weight.portfolio IS 'The portfolio''s name';
COMMENT ON COLUMN @extschema@.current_weight.as_of IS 'Time of the newest price that the run read';
COMMENT ON COLUMN @extschema@.current_weight.ticker IS 'As in the price relation';
COMMENT ON COLUMN @extschema@.current_weight.weight IS 'Share of the portfolio';
COMMENT ON COLUMN @extschema@.current_weight.previous_weight IS 'Weight before: that of the newest earlier rebalance as prices had moved it; 0 if there is none';
COMMENT ON COLUMN @extschema@.current_weight.market_weight IS 'Share of the market, or of the prior';
COMMENT ON COLUMN @extschema@.current_weight.prior_return IS 'Annual return before the views';
COMMENT ON COLUMN @extschema@.current_weight.view_return IS 'Annual return that the views on this ticker state';
COMMENT ON COLUMN @extschema@.current_weight.posterior_return IS 'Annual return after the views';
COMMENT ON COLUMN @extschema@.current_weight.posterior_volatility IS 'Annual volatility';
COMMENT ON COLUMN @extschema@.current_weight.active_weight IS 'weight less market_weight';
COMMENT ON COLUMN @extschema@.current_weight.risk_contribution IS 'Share of the portfolio''s variance';

COMMENT ON VIEW @extschema@.weight_history IS 'The weights of every rebalance: a row per portfolio, as_of and ticker. Of several runs of one as_of the newest counts.';
COMMENT ON COLUMN @extschema@.weight_history.portfolio IS 'The portfolio''s name';
COMMENT ON COLUMN @extschema@.weight_history.as_of IS 'Time of the newest price that the run read';
COMMENT ON COLUMN @extschema@.weight_history.ticker IS 'As in the price relation';
COMMENT ON COLUMN @extschema@.weight_history.weight IS 'Share of the portfolio';

COMMENT ON VIEW @extschema@.trade_history IS 'The trades of every rebalance: a row per portfolio, as_of and ticker.';
COMMENT ON COLUMN @extschema@.trade_history.portfolio IS 'The portfolio''s name';
COMMENT ON COLUMN @extschema@.trade_history.as_of IS 'Time of the newest price that the run read';
COMMENT ON COLUMN @extschema@.trade_history.ticker IS 'As in the price relation';
COMMENT ON COLUMN @extschema@.trade_history.previous_weight IS 'Weight before: that of the newest earlier rebalance as prices had moved it; 0 if there is none';
COMMENT ON COLUMN @extschema@.trade_history.weight IS 'Weight of this one';
COMMENT ON COLUMN @extschema@.trade_history.change IS 'weight less previous_weight: bought if over zero';

COMMENT ON VIEW @extschema@.rebalance IS 'The run that counts for each portfolio and as_of: the newest that succeeded.';
COMMENT ON COLUMN @extschema@.rebalance.run_id IS 'The run';
COMMENT ON COLUMN @extschema@.rebalance.portfolio_id IS 'The portfolio''s key';
COMMENT ON COLUMN @extschema@.rebalance.portfolio IS 'The portfolio''s name';
COMMENT ON COLUMN @extschema@.rebalance.as_of IS 'Time of the newest price that the run read';

COMMENT ON VIEW @extschema@.run_history IS 'Every run: what it was, how it ended, and why it failed.';
COMMENT ON COLUMN @extschema@.run_history.run_id IS 'Key';
COMMENT ON COLUMN @extschema@.run_history.kind IS 'rebalance, forecast, or outcome for a comparison with prices that failed';
COMMENT ON COLUMN @extschema@.run_history.portfolio IS 'The portfolio''s name; NULL for forecasts alone';
COMMENT ON COLUMN @extschema@.run_history.as_of IS 'Time of the newest price that was read';
COMMENT ON COLUMN @extschema@.run_history.status IS 'running, succeeded, unchanged where there was nothing to do, or failed';
COMMENT ON COLUMN @extschema@.run_history.started_at IS 'Start';
COMMENT ON COLUMN @extschema@.run_history.finished_at IS 'End';
COMMENT ON COLUMN @extschema@.run_history.seconds IS 'From start to end';
COMMENT ON COLUMN @extschema@.run_history.turnover IS 'Sum of the absolute changes of weights, bought and sold';
COMMENT ON COLUMN @extschema@.run_history.forecasts IS 'computed by this run, or reused: prices and settings were those of a stored forecast';
COMMENT ON COLUMN @extschema@.run_history.sqlstate IS 'SQLSTATE of the failure';
COMMENT ON COLUMN @extschema@.run_history.message IS 'Message of the failure; the owner sees it';
COMMENT ON COLUMN @extschema@.run_history.detail IS 'Detail of the failure; the owner sees it';
COMMENT ON COLUMN @extschema@.run_history.hint IS 'Hint of the failure; the owner sees it';

COMMENT ON VIEW @extschema@.forecast_accuracy IS 'Stored forecasts beside the prices that came: a row per ticker, as_of and step that has its price. Brought up to date by every run and by folio.refresh_outcomes.';
COMMENT ON COLUMN @extschema@.forecast_accuracy.ticker IS 'As in the price relation';
COMMENT ON COLUMN @extschema@.forecast_accuracy.as_of IS 'The day the forecast was made from';
COMMENT ON COLUMN @extschema@.forecast_accuracy.step IS 'Trading days ahead';
COMMENT ON COLUMN @extschema@.forecast_accuracy.ts IS 'The day it was for';
COMMENT ON COLUMN @extschema@.forecast_accuracy.forecast IS 'The median';
COMMENT ON COLUMN @extschema@.forecast_accuracy.lower IS 'Lower bound of the interval';
COMMENT ON COLUMN @extschema@.forecast_accuracy.upper IS 'Upper bound of the interval';
COMMENT ON COLUMN @extschema@.forecast_accuracy.level IS 'Share of outcomes that the interval holds';
COMMENT ON COLUMN @extschema@.forecast_accuracy.actual IS 'The price that came';
COMMENT ON COLUMN @extschema@.forecast_accuracy.error IS 'forecast less actual';
COMMENT ON COLUMN @extschema@.forecast_accuracy.relative_error IS 'error as a share of actual';
COMMENT ON COLUMN @extschema@.forecast_accuracy.inside IS 'Whether the interval held the price';
COMMENT ON COLUMN @extschema@.forecast_accuracy.naive_error IS 'Error of the last price as forecast: what the forecast has to beat';
COMMENT ON COLUMN @extschema@.forecast_accuracy.absolute_percentage_error IS 'Size of the error as a share of what came: its mean is the MAPE';
COMMENT ON COLUMN @extschema@.forecast_accuracy.naive_absolute_percentage_error IS 'The same for the last price as forecast';

COMMENT ON VIEW @extschema@.portfolio_value IS 'What a portfolio was worth on each day: 1 at its first rebalance, weights held from one rebalance to the next, before costs. Brought up to date by every run and by folio.refresh_outcomes.';
COMMENT ON COLUMN @extschema@.portfolio_value.portfolio IS 'The portfolio''s name';
COMMENT ON COLUMN @extschema@.portfolio_value.ts IS 'Day';
COMMENT ON COLUMN @extschema@.portfolio_value.value IS 'Value; 1 at the first rebalance';

COMMENT ON VIEW @extschema@.run_lock IS 'Who holds the locks of runs.';
COMMENT ON COLUMN @extschema@.run_lock.portfolio_id IS 'The portfolio; 0 for forecasts alone';
COMMENT ON COLUMN @extschema@.run_lock.pid IS 'Process id of the session; NULL for a prepared transaction';
COMMENT ON COLUMN @extschema@.run_lock.role IS 'Whose forecasts, where there is no portfolio';

COMMENT ON VIEW @extschema@.job IS 'The jobs of your portfolios in pg_cron, where this database has it, whoever made them.';
COMMENT ON COLUMN @extschema@.job.job_id IS 'Number in cron.job';
COMMENT ON COLUMN @extschema@.job.portfolio_id IS 'The portfolio''s key';
COMMENT ON COLUMN @extschema@.job.portfolio IS 'The portfolio''s name';
COMMENT ON COLUMN @extschema@.job.schedule IS 'As in cron';
COMMENT ON COLUMN @extschema@.job.username IS 'The role that the job runs as';
COMMENT ON COLUMN @extschema@.job.active IS 'Whether it runs';

COMMENT ON FUNCTION @extschema@.create_portfolio(text, text[], jsonb, jsonb, text, jsonb, text, bigint, text[], float8, bigint, text, float8, float8, float8, boolean, regclass) IS
'Makes a portfolio and gives its id; its weights come with CALL folio.rebalance(name). The arguments are checked by computing its weights once without forecasts.
name: unique. use_forecasts: whether every run makes views from forecasts, default true; horizon, models, level and history are theirs. The others are those of black_litterman.
prices: the price relation, default folio.prices. Errors: those of black_litterman and forecast_ensemble, 42710 a portfolio of this name, 55P03 another session is making one, 42501 the role was not given the desk, 25006 on a standby.';
COMMENT ON FUNCTION @extschema@.drop_portfolio(text) IS
'Deletes a portfolio with all its runs, weights, trades, forecasts and jobs. Errors: 42704 no such portfolio, 42501 it is another''s, 55P03 while it runs, 25006 on a standby.';
COMMENT ON PROCEDURE @extschema@.rebalance(text, timestamptz, boolean) IS
'Forecasts, makes views of the forecasts, and stores the weights and trades of a portfolio. Commits, so not inside a transaction: folio.rebalance_now is for that.
as_of: only prices up to then, default all. force: run again although nothing has changed. Where settings and prices are those of the newest run of the same as_of, nothing is done, and the run is one that is unchanged.
A failure is written into the run''s row and then raised; the last good weights stay. Errors: those of black_litterman and forecast_ensemble, 42704 no such portfolio, 42501 it is another''s, 2D000 inside a transaction, 55P03 while it runs in another session, 25006 on a standby.';
COMMENT ON FUNCTION @extschema@.rebalance_now(text, timestamptz, boolean) IS
'folio.rebalance inside the caller''s transaction, for dbt for instance; gives the run that counts. It holds its snapshot for as long as it takes, and a failure takes its row with it.';
COMMENT ON PROCEDURE @extschema@.refresh_forecasts(text[], bigint, text[], float8, timestamptz, bigint, regclass) IS
'Stores forecasts, for folio.latest_forecast and for rebalances that need the same. The arguments are those of forecast_ensemble. Stored forecasts of the same prices and settings are not computed again. Commits; folio.refresh_forecasts_now does not.';
COMMENT ON FUNCTION @extschema@.refresh_forecasts_now(text[], bigint, text[], float8, timestamptz, bigint, regclass) IS
'folio.refresh_forecasts inside the caller''s transaction; gives the run that counts.';
COMMENT ON FUNCTION @extschema@.forecast_fingerprint(text[], bigint, text[], float8, timestamptz, bigint, regclass) IS
'A hash of the prices that a forecast of these arguments reads and of all else that it depends on: models, level, horizon, seed, time zone, version. The arguments are those of forecast_ensemble.';
COMMENT ON FUNCTION @extschema@.forecast_view(text, float8, float8, float8, bigint, float8, float8) IS
'The view for black_litterman that a stored forecast amounts to: last_close, the forecast and upper bound of the last step, how many steps ahead it is, the interval''s level, and how many such steps a year has. NULL where it says nothing. The formula of forecast_views.';
COMMENT ON FUNCTION @extschema@.schedule_rebalance(text, text) IS
'Rebalances a portfolio on a schedule, through pg_cron; gives the job''s id. A portfolio has one job: a second call replaces it. The job runs as the user who calls; where a superuser calls for another''s portfolio, as its owner.
schedule: as in cron, ''0 22 * * 1-5'' is 22:00 GMT on weekdays. Errors: 42704 no such portfolio, 55000 no pg_cron in this database, 42501, 22023 not a schedule, 25006 on a standby.';
COMMENT ON FUNCTION @extschema@.unschedule_rebalance(text) IS
'Ends the job of a portfolio, whoever of its owners made it; whether there was one. Errors: 42704 no such portfolio, 55000 no pg_cron in this database, 42501, 25006 on a standby.';
COMMENT ON PROCEDURE @extschema@.rebalance_portfolio(bigint) IS
'What a job of folio.schedule_rebalance calls: folio.rebalance of the portfolio with this number, whatever its name. If there is none any more, the job ends itself.';
COMMENT ON PROCEDURE @extschema@.refresh_outcomes(text) IS
'Compares stored forecasts and weights with the prices that came, for folio.forecast_accuracy and folio.portfolio_value: of one portfolio, or of everything that the caller owns. Every run does it for its own. Prices are read with the rights of each owner; a failure is a warning and a row of folio.run_history, and stops nothing else.';
COMMENT ON FUNCTION @extschema@.delete_runs(text, timestamptz) IS
'Deletes the runs of a portfolio that started before a time, with all that they brought; without a portfolio those of the caller''s own forecasts. Gives their number.';
COMMENT ON FUNCTION @extschema@.share_portfolio(text, regrole) IS
'Lets a role see a portfolio with its runs and their results. It needs no other right.';
COMMENT ON FUNCTION @extschema@.unshare_portfolio(text, regrole) IS
'Ends what folio.share_portfolio began.';
COMMENT ON FUNCTION @extschema@.grant_desk(regrole) IS
'Lets a role make portfolios and run them; in pg_cron''s database it may schedule them too. For the owner of the extension or a superuser; a second call changes nothing.';
COMMENT ON FUNCTION @extschema@.revoke_desk(regrole) IS
'Ends what folio.grant_desk began; what the role has made stays.';
