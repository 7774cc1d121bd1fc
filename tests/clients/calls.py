"""A call of every function of the extension, with values bound to its arguments: the rows' digest as text.

Whoever makes a new function adds it here; `clients.py` compares the list with the server's own. A value is a list of texts
(tickers, models), a text, a whole number, a float, a JSON document (in Json), a time, a truth value or None. Each stands
once, in the order of its number, so that clients with other placeholders can put theirs in its place.
"""

from dataclasses import dataclass
from datetime import datetime, timezone


@dataclass(frozen=True)
class Json:
    """A JSON document, as its text."""

    text: str


MAY = datetime(2024, 5, 1, tzinfo=timezone.utc)
TICKERS = ["A", "BB", "CCC"]
NAIVE = ["naive"]
VIEWS = Json('["A = 5%", {"view": "BB - CCC = 1%", "confidence": 0.6}]')
CAPS = Json('{"A": 3, "BB": 2, "CCC": 1}')
LIMITS = Json('{"max_weight": 0.6}')

DIGEST = "SELECT coalesce(md5(string_agg(f::text, '|')), 'none') FROM {} AS f"


def rows(call, *values):
    """The digest of the rows of a table function."""
    return (call.split("(")[0], DIGEST.format("folio." + call), values)


def value(call, *values):
    """A function of one value, as text."""
    return (call.split("(")[0], f"SELECT (folio.{call})::text", values)


def done(call, *values):
    """A function whose value is another one at every call: that it ran."""
    return (call.split("(")[0], f"SELECT count(f)::text FROM (SELECT folio.{call} AS f) AS called", values)


CALLS = [
    rows("forecast_ensemble($1, $2, $3)", TICKERS, 2, NAIVE),
    rows("forecast_ensemble($1, $2)", "A", 2),
    rows("forecast_ensemble(tickers => $1, horizon => $2, models => $3, level => $4, as_of => $5, history => $6)",
         TICKERS, 2, NAIVE, 0.5, MAY, 100),
    rows("forecast_ensemble(tickers => $1, horizon => $2, models => $3, level => $4, as_of => $5)",
         None, None, NAIVE, None, None),
    done("forecast_members(tickers => $1, horizon => $2, models => $3)", TICKERS, 2, NAIVE),
    rows("forecast_volatility(tickers => $1, horizon => $2, models => $3)", TICKERS, 2, ["ewma"]),
    done("volatility_members(tickers => $1, horizon => $2, models => $3)", TICKERS, 2, ["ewma"]),
    rows("volatility_evaluate(tickers => $1, horizon => $2, origins => $3, models => $4)", TICKERS, 1, 2, ["ewma"]),
    rows("forecast_intervals(tickers => $1, levels => '{0.5,0.9}', horizon => $2, models => $3)", TICKERS, 2, NAIVE),
    value("forecast_views(tickers => $1, horizon => $2, models => $3)", TICKERS, 2, NAIVE),
    value("forecast_fingerprint(tickers => $1, horizon => $2, models => $3)", TICKERS, 2, NAIVE),
    rows("forecast_evaluate(tickers => $1, horizon => $2, origins => $3, models => $4)", TICKERS, 1, 2, NAIVE),
    rows("forecast_evaluate_summary(tickers => $1, horizon => $2, origins => $3, models => $4)", TICKERS, 1, 2, NAIVE),
    value("forecast_values('{1,2,3,4,5,6,7,8,9,10,11,12}', $1, $2)", 2, Json('{"models": ["naive"]}')),
    value("forecast_view($1, $2, $3, $4, $5, $6, $7)", "A", 100.0, 101.0, 105.0, 5, 0.8, 252.0),
    rows("black_litterman(tickers => $1, views => $2, market_caps => $3, tau => $4, constraints => $5)",
         TICKERS, VIEWS, CAPS, 0.05, LIMITS),
    rows("view_report(tickers => $1, views => $2, market_caps => $3)", TICKERS, VIEWS, CAPS),
    rows("optimize_portfolio(tickers => $1, objective => $2, constraints => $3)", TICKERS, "min_volatility", LIMITS),
    rows("efficient_frontier(tickers => $1, points => $2)", TICKERS, 3),
    rows("portfolio_performance($1, tickers => $2)", Json('{"A": 0.5, "BB": 0.5}'), TICKERS),
    rows("value_at_risk($1, level => $2, horizon => $3)", Json('{"A": 0.5, "BB": 0.5}'), 0.95, 2),
    rows("var_evaluate($1, level => $2, origins => $3)", Json('{"A": 0.5, "BB": 0.5}'), 0.95, 3),
    rows("covariance_evaluate(tickers => $1, covariances => $2, horizon => $3, origins => $4)", TICKERS, ["oas", "dcc(2)"], 2, 3),
    rows("stress($1, $2)", Json('{"A": 0.5, "BB": 0.5}'), Json('{"from": "2024-03-01", "to": "2024-04-01"}')),
    rows("risk_attribution($1, groups => $2, covariance => $3)", Json('{"A": 0.5, "BB": 0.5}'),
         Json('{"sector": {"A": "Tech", "BB": null}}'), "oas"),
    rows("covariance_matrix(tickers => $1, covariance => $2, history => $3)", TICKERS, "sample_cov", 100),
    rows("discrete_allocation($1, $2, $3)", Json('{"A": 0.5, "BB": 0.5}'), 10000.0, "greedy"),
    rows("rebalance_orders($1, $2, $3, fee_bps => $4, band => $5, method => $6)", Json('{"A": 0.5, "BB": 0.5}'), Json('{"CCC": 7}'),
         10000.25, 5.0, 0.01, "exact"),
    value("market_implied_risk_aversion($1, $2)", "A", 0.01),
    rows("price_report(tickers => $1, as_of => $2)", TICKERS, MAY),
    value("observations(tickers => $1, history => $2)", TICKERS, 50),
    rows("backtest(tickers => $1, rebalance => $2, lookback => $3, objective => $4)", TICKERS, "50", 20, "min_volatility"),
    value("forecast_chart($1, $2, $3)", "A", 3, NAIVE),
    value("frontier_chart(tickers => $1, width => $2)", TICKERS, 400),
    rows("bl_posterior('{{0.04,0.01},{0.01,0.09}}', '{0.05,0.06}', '{{1,0}}', '{0.07}', '{0.01}', $1)", 0.05),
    rows("fix_nonpositive_semidefinite('{{1,2},{2,1}}', $1)", "diag"),
    value("by_ticker('caps', $1)", "market_cap"),
    done("create_portfolio($1, tickers => $2, views => $3, horizon => $4, models => $5, use_forecasts => $6)",
          "bound", TICKERS, VIEWS, 2, NAIVE, True),
    done("rebalance_now($1, $2, $3)", "small", MAY, True),
    done("refresh_forecasts_now(tickers => $1, horizon => $2, models => $3, as_of => $4)", TICKERS, 2, NAIVE, MAY),
    done("accuracy_chart($1, $2)", "A", 1),
    done("weights_chart($1)", "small"),
    done("delete_runs($1, $2)", "small", MAY),
    done("share_portfolio($1, 'analyst')", "small"),
    done("unshare_portfolio($1, 'analyst')", "small"),
    done("drop_portfolio($1)", "small"),
]

# Errors: the SQLSTATE and the hint arrive.
ERROR = ("SELECT count(*)::text FROM folio.forecast_ensemble($1, $2)", (["TSLA"], -1), "22023")
