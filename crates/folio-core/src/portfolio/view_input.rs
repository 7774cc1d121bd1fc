//! Views as a caller passes them: a list of views, or P and Q as arrays, each with or without an Omega for all of them.
//!
//! ```text
//! ["AAPL = 10%", {"view": "MSFT - GE = 5%", "confidence": 0.6}]
//! {"views": ["AAPL = 10%", "MSFT - GE = 5%"], "omega": [0.01, 0.02]}
//! {"tickers": ["AAPL", "MSFT", "GE"], "p": [[1, 0, 0], [0, 1, -1]], "q": [0.1, 0.05], "omega": [[0.01, 0], [0, 0.02]]}
//! ```
//! Beside them may stand `"group_weights": "equal"`: the members of the groups that views name weigh the same, not their
//! market weights. The columns of P are named, so that they are joined by ticker like everything else.

use ndarray::Array2;
use serde_json::{Map, Value, json};

use super::black_litterman::Omega;
use super::views::{GroupWeights, Views};
use crate::input;
use crate::{Error, Result};

const LIST_KEYS: [&str; 3] = ["views", "omega", "group_weights"];
const MATRIX_KEYS: [&str; 5] = ["tickers", "p", "q", "omega", "group_weights"];

/// Reads views and the uncertainty of all of them.
///
/// # Errors
/// Those of [`Views::parse`]; [`Error::UnknownName`] for an unknown key, [`Error::InvalidArgument`] where a part is
/// missing, is no array of numbers or has another shape than the others.
pub fn parse(value: &Value) -> Result<(Views, Omega)> {
    match value {
        Value::Object(object) if object.contains_key("views") => {
            input::only_keys("key of views", object, &LIST_KEYS)?;
            Ok((weighed(Views::parse(&object["views"])?, object)?, omega(object)?))
        }
        Value::Object(object) if object.contains_key("p") || object.contains_key("q") => {
            input::only_keys("key of views", object, &MATRIX_KEYS)?;
            Ok((weighed(Views::parse(&as_list(object)?)?, object)?, omega(object)?))
        }
        list => Ok((Views::parse(list)?, Omega::PerView)),
    }
}

fn weighed(views: Views, object: &Map<String, Value>) -> Result<Views> {
    let Some(given) = object.get("group_weights") else { return Ok(views) };
    Ok(views.with_group_weights(GroupWeights::from_json(given)?))
}

/// The rows of P and Q as a list of views with assets.
fn as_list(object: &Map<String, Value>) -> Result<Value> {
    let part = |key: &'static str| {
        let expected =
            "beside each other: tickers, p with a row for each view, q with a number for each view";
        object.get(key).and_then(Value::as_array).ok_or_else(|| invalid(key, object.get(key), expected))
    };
    let (tickers, p, q) = (part("tickers")?, part("p")?, part("q")?);
    let names: Vec<&str> = tickers.iter().filter_map(Value::as_str).collect();
    let mut distinct = names.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if names.len() != tickers.len() || distinct.len() != names.len() {
        return Err(invalid("tickers", object.get("tickers"), "names, each once"));
    }
    if p.len() != q.len() {
        return Err(shape("p", p.len(), &format!("{} rows, one for each number of q", q.len())));
    }
    let row = |(row, value): (&Value, &Value)| {
        let coefficients = numbers("p", row)?;
        if coefficients.len() != names.len() {
            let expected = format!("rows of {} numbers, one for each of tickers", names.len());
            return Err(shape("p", coefficients.len(), &expected));
        }
        let named = names.iter().zip(coefficients).filter(|(_, coefficient)| *coefficient != 0.0);
        let assets: Map<String, Value> =
            named.map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        Ok(json!({"assets": assets, "return": value}))
    };
    p.iter().zip(q).map(row).collect()
}

fn omega(object: &Map<String, Value>) -> Result<Omega> {
    let expected = "an array of variances, one for each view, or a square array of their covariances";
    match object.get("omega") {
        None | Some(Value::Null) => Ok(Omega::PerView),
        Some(Value::Array(rows)) if rows.iter().any(Value::is_array) => {
            let columns = rows.iter().map(|row| numbers("omega", row)).collect::<Result<Vec<_>>>()?;
            let shape = (rows.len(), rows.len());
            let matrix = Array2::from_shape_vec(shape, columns.concat());
            // Rows of unequal length may have the right sum.
            let square = columns.iter().all(|row| row.len() == rows.len());
            matrix
                .ok()
                .filter(|_| square)
                .map(Omega::Full)
                .ok_or_else(|| invalid("omega", object.get("omega"), expected))
        }
        Some(value @ Value::Array(_)) => Ok(Omega::Diagonal(numbers("omega", value)?)),
        other => Err(invalid("omega", other, expected)),
    }
}

fn numbers(argument: &'static str, value: &Value) -> Result<Vec<f64>> {
    let numbers = value.as_array().and_then(|row| row.iter().map(Value::as_f64).collect());
    numbers.ok_or_else(|| invalid(argument, Some(value), "an array of numbers"))
}

fn invalid(argument: &'static str, value: Option<&Value>, expected: &str) -> Error {
    let value = value.map_or("nothing".to_owned(), Value::to_string);
    Error::InvalidArgument { argument, value, expected: expected.to_owned() }
}

fn shape(argument: &'static str, found: usize, expected: &str) -> Error {
    Error::InvalidArgument { argument, value: found.to_string(), expected: expected.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_the_views_that_they_spell() {
        let matrices =
            json!({"tickers": ["GE", "AAPL", "MSFT"], "p": [[0, 1, 0], [-1, 0, 1]], "q": [0.1, 0.05]});
        let objects = json!([
            {"assets": {"AAPL": 1.0}, "return": 0.1},
            {"assets": {"GE": -1.0, "MSFT": 1.0}, "return": 0.05},
        ]);
        let (views, omega) = parse(&matrices).unwrap();
        assert_eq!(views.views(), Views::parse(&objects).unwrap().views());
        assert_eq!(omega, Omega::PerView);
    }

    #[test]
    fn omega_is_a_vector_or_a_matrix() {
        let with = |omega: Value| {
            parse(&json!({"views": ["A = 1%", "B = 2%"], "omega": omega})).map(|(_, omega)| omega)
        };
        assert_eq!(with(json!([0.1, 0.2])).unwrap(), Omega::Diagonal(vec![0.1, 0.2]));
        assert_eq!(
            with(json!([[1, 0.5], [0.5, 2]])).unwrap(),
            Omega::Full(ndarray::arr2(&[[1.0, 0.5], [0.5, 2.0]]))
        );
        assert_eq!(with(Value::Null).unwrap(), Omega::PerView);
        for bad in [json!([[1, 0.5], [0.5]]), json!([[1, 2, 3], [0.5]]), json!("idzorek"), json!([1, null])] {
            assert!(matches!(with(bad), Err(Error::InvalidArgument { argument: "omega", .. })));
        }
    }

    #[test]
    fn a_view_s_own_group_weights_win() {
        let views = json!(["kind:A = 1%", {"view": "kind:A = 2%", "group_weights": "market"}]);
        let of = |value: Value| -> Result<Vec<Option<GroupWeights>>> {
            Ok(parse(&value)?.0.views().iter().map(|view| view.group_weights).collect())
        };
        let (market, equal) = (Some(GroupWeights::Market), Some(GroupWeights::Equal));
        assert_eq!(of(json!({"views": views, "group_weights": "equal"})).unwrap(), [equal, market]);
        assert_eq!(of(json!({"views": views})).unwrap(), [None, market]);
        assert_eq!(of(views).unwrap(), [None, market]);
        let columns = json!({"tickers": ["kind:A"], "p": [[1]], "q": [0.1], "group_weights": "equal"});
        assert_eq!(of(columns).unwrap(), [equal]);
        let unknown = of(json!({"views": [], "group_weights": 1}));
        assert!(matches!(unknown, Err(Error::UnknownName { kind: "group_weights", .. })));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let argument = |value: Value| match parse(&value) {
            Err(Error::InvalidArgument { argument, .. }) => argument,
            other => panic!("{value}: {other:?}"),
        };
        assert_eq!(argument(json!({"p": [[1]], "q": [0.1]})), "tickers");
        assert_eq!(argument(json!({"tickers": ["A"], "p": [[1]]})), "q");
        assert_eq!(argument(json!({"tickers": ["A"], "p": [[1], [1]], "q": [0.1]})), "p");
        assert_eq!(argument(json!({"tickers": ["A"], "p": [[1, 2]], "q": [0.1]})), "p");
        assert_eq!(argument(json!({"tickers": ["A", "A"], "p": [[1, 2]], "q": [0.1]})), "tickers");
        let unknown = parse(&json!({"views": [], "tau": 1}));
        assert!(matches!(unknown, Err(Error::UnknownName { kind: "key of views", .. })));
        assert!(matches!(
            parse(&json!({"tickers": ["A"], "p": [[0]], "q": [0.1]})),
            Err(Error::InvalidView { .. })
        ));
    }
}
