-- From an account to orders, at prices that can be multiplied by hand: 10, 25.5 and 4.25.
SET search_path = public, folio;
SET timezone = 'UTC';
CREATE TABLE quotes AS
SELECT ticker, date '2024-01-01' + day AS ts, last * (CASE WHEN day = 9 THEN 1 ELSE 1 + sin(day + ascii(ticker)) / 50 END) AS close
FROM (VALUES ('A', 10.0), ('B', 25.5), ('C', 4.25)) AS t(ticker, last), generate_series(0, 9) AS day;
SET folio.prices = 'quotes';
CREATE VIEW orders AS
SELECT * FROM rebalance_orders('{"A": "50 %", "B": 0.3}', '{"B": 100, "C": "30.5"}', 12345.67, fee_fixed => 1, fee_bps => 10);
SELECT ticker, side, shares, price, amount, cost, shares_after, value, round(weight::numeric, 4) AS weight, target_weight, status FROM orders;
-- To the last digit: the value before, and what moves.
SELECT sum(value + cost) AS value_before, sum(amount + cost) AS moved, round(max(tracking_error)::numeric, 2) < 0.1 AS near FROM orders;
SELECT ticker, shares, status, method FROM rebalance_orders('{"A": 0.5, "B": 0.5}', '{"A": 280, "B": 90, "C": 1}', 100, band => 0.05, method => 'exact');
SELECT ticker, shares, status FROM rebalance_orders('{"A": 0.5, "B": 0.5}', '{"A": 280, "B": 90}', 300, buy_only => true, fractional => true);
-- What cannot be is refused with what to write.
SELECT * FROM rebalance_orders('{"A": 60, "B": 40}', '{}', 1000);
SELECT * FROM rebalance_orders('{"A": 1}', '{"B": -5}', 1000);
SELECT * FROM rebalance_orders('{"A": 1}', '{}', -1);
SELECT * FROM rebalance_orders('{"A": 1}', '{}', 1000, band => 5);
SELECT * FROM rebalance_orders('{"A": 1}', NULL, 1000);
DROP TABLE quotes CASCADE;
