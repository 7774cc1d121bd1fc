-- The desk's result tables: portfolios, runs, and what the runs brought. People read the views over them.
--
-- There are no foreign keys: pg_restore -j loads the tables of an extension in any order, with the keys already there.
-- What a key would do, a trigger before the deletion does (rights.sql).
SET LOCAL search_path = pg_catalog, pg_temp; -- sql/desk/schema.sql says why

CREATE TABLE @extschema@.portfolio (
    portfolio_id   integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name           text NOT NULL UNIQUE CHECK (name <> ''),
    owner          regrole NOT NULL DEFAULT to_regrole(quote_ident(current_user)),
    shared_with    regrole[] NOT NULL DEFAULT '{}',
    tickers        text[],
    market_caps    jsonb,
    views          jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(views) = 'array'),
    use_forecasts  boolean NOT NULL DEFAULT true,
    objective      text,
    constraints    jsonb,
    covariance     text,
    prior          text,
    risk_aversion  float8,
    tau            float8,
    risk_free_rate float8,
    horizon        bigint,
    models         text[],
    level          float8,
    history        bigint,
    prices         text NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now()
);

-- A run reads its settings from its own row, so that what it was made with stays known when the portfolio changes.
CREATE TABLE @extschema@.run (
    run_id          bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    kind            text NOT NULL CHECK (kind IN ('rebalance', 'forecast', 'outcome')),
    portfolio_id    integer,
    settings        jsonb NOT NULL,
    status          text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'succeeded', 'unchanged', 'failed')),
    as_of           timestamptz,
    tickers         text[],
    time_zone       text NOT NULL DEFAULT current_setting('TimeZone'),
    fingerprint     text,
    forecast_run_id bigint,
    turnover        float8,
    started_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at     timestamptz CHECK (isfinite(finished_at)),
    run_by          regrole NOT NULL DEFAULT to_regrole(quote_ident(current_user)),
    pid             integer NOT NULL DEFAULT pg_backend_pid(),
    sqlstate        text,
    CHECK (CASE kind WHEN 'rebalance' THEN portfolio_id IS NOT NULL WHEN 'forecast' THEN portfolio_id IS NULL ELSE true END),
    CHECK ((status = 'running') = (finished_at IS NULL)),
    CHECK ((status = 'failed') = (sqlstate IS NOT NULL)),
    CHECK (status NOT IN ('succeeded', 'unchanged') OR as_of IS NOT NULL AND fingerprint IS NOT NULL)
);
CREATE INDEX run_portfolio_idx ON @extschema@.run (portfolio_id, as_of, run_id);
CREATE INDEX run_fingerprint_idx ON @extschema@.run (fingerprint) WHERE forecast_run_id = run_id;
CREATE INDEX run_forecast_idx ON @extschema@.run (forecast_run_id);
CREATE INDEX run_running_idx ON @extschema@.run (run_id) WHERE status = 'running';

-- What a failure says may quote prices and texts of its owner's, so it is not shown to those who see the run.
CREATE TABLE @extschema@.failure (
    run_id  bigint PRIMARY KEY,
    message text NOT NULL,
    detail  text,
    hint    text
);

-- Step 0 stands for a ticker that could not be forecast: its status says why.
CREATE TABLE @extschema@.forecast (
    run_id     bigint NOT NULL,
    ticker     text NOT NULL,
    step       integer NOT NULL CHECK (step >= 0),
    ts         timestamptz,
    forecast   float8,
    lower      float8,
    upper      float8,
    level      float8 NOT NULL,
    last_close float8,
    periods_per_year float8,
    status     text NOT NULL,
    PRIMARY KEY (run_id, ticker, step),
    CHECK ((step = 0) = (forecast IS NULL)),
    -- A series at irregular times is forecast in steps whose dates nobody knows.
    CHECK (num_nulls(forecast, lower, upper, last_close, periods_per_year) IN (0, 5)),
    CHECK (ts IS NULL OR forecast IS NOT NULL)
);
CREATE INDEX forecast_ticker_idx ON @extschema@.forecast (ticker, run_id) WHERE step <= 1;

CREATE TABLE @extschema@.forecast_member (
    run_id          bigint NOT NULL,
    ticker          text NOT NULL,
    model           text NOT NULL,
    weight          float8,
    status          text NOT NULL,
    validation_rmse float8,
    relative_mae    float8,
    fit_ms          float8,
    detail          jsonb,
    PRIMARY KEY (run_id, ticker, model)
);

CREATE TABLE @extschema@.weight (
    run_id               bigint NOT NULL,
    ticker               text NOT NULL,
    weight               float8 NOT NULL,
    market_weight        float8 NOT NULL,
    prior_return         float8 NOT NULL,
    view_return          float8,
    posterior_return     float8 NOT NULL,
    posterior_volatility float8 NOT NULL,
    active_weight        float8 NOT NULL,
    risk_contribution    float8,
    PRIMARY KEY (run_id, ticker)
);

CREATE TABLE @extschema@.trade (
    run_id          bigint NOT NULL,
    ticker          text NOT NULL,
    previous_weight float8 NOT NULL,
    weight          float8 NOT NULL,
    change          float8 NOT NULL,
    PRIMARY KEY (run_id, ticker)
);

CREATE TABLE @extschema@.view (
    run_id             bigint NOT NULL,
    position           integer NOT NULL,
    view               text NOT NULL,
    source             text NOT NULL CHECK (source IN ('portfolio', 'forecast')),
    view_return        float8 NOT NULL,
    prior_return       float8 NOT NULL,
    posterior_return   float8 NOT NULL,
    pull               float8 NOT NULL,
    variance           float8,
    implied_confidence float8,
    contribution       jsonb NOT NULL,
    PRIMARY KEY (run_id, position)
);

-- The prices that came for stored forecasts. The bounds keep every number of forecast_accuracy finite.
CREATE TABLE @extschema@.outcome (
    run_id bigint NOT NULL,
    ticker text NOT NULL,
    step   integer NOT NULL,
    actual float8 CHECK (actual BETWEEN 1e-100 AND 1e100),
    PRIMARY KEY (run_id, ticker, step)
);

-- What a portfolio was worth on each day; NULL where the prices that said so are gone.
CREATE TABLE @extschema@.value (
    portfolio_id integer NOT NULL,
    ts           timestamptz NOT NULL,
    value        float8,
    PRIMARY KEY (portfolio_id, ts)
);

-- pg_dump leaves an extension's tables out unless they are marked; with the sequences new ids go on after a restore.
SELECT pg_catalog.pg_extension_config_dump('@extschema@.portfolio', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.run', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.failure', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.forecast', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.forecast_member', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.weight', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.trade', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.view', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.outcome', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.value', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.portfolio_portfolio_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.run_run_id_seq', '');
SET LOCAL search_path = @extschema@, pg_temp;
