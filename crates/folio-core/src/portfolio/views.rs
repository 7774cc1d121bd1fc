//! Views: what somebody expects of returns, as text or as objects, and the rows of P and Q that they become.
//!
//! ```text
//! view     = term { ("+" | "-") term } "=" return
//! term     = [number ["*"]] name
//! name     = a ticker, or kind:label for a group; in quotes where it has spaces or signs
//! return   = number ["%"], as `rate.rs` reads it
//! ```
//! A plus or minus is an operator where spaces stand around it; inside a word it belongs to the name, as in `BRK-B`.

use ndarray::{Array1, Array2};
use serde_json::{Map, Value};

use super::group::Groups;
use super::universe::Universe;
use crate::input;
use crate::rate::{self, Kind, Written};
use crate::{Error, Result};

/// The most views of one call: more than one a ticker in a full universe serves nobody, and each adds a row to a
/// dense system.
pub const MAX_VIEWS: usize = 1000;

/// The most that a view may say, percent sign or not: a rise of a tenth in a minute, taken for a year, is half of it.
/// Squares of what is larger leave the doubles.
pub const MAX_VIEW_RETURN: f64 = 1e5;

/// How sure a view is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Uncertainty {
    /// As uncertain as the prior's own value of the view: tau p Sigma p', which is a confidence of one half.
    Proportional,
    /// Idzorek's confidence, 0 to 1: 0 ignores the view, 1 makes it hold exactly.
    Confidence(f64),
    /// The variance of the view's error.
    Variance(f64),
}

/// What the members of a group weigh where a view names the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GroupWeights {
    /// Their market weights, in proportion.
    #[default]
    Market,
    /// The same.
    Equal,
}

impl GroupWeights {
    /// The names in SQL, those of the priors.
    const ALL: [(&'static str, GroupWeights); 2] =
        [("market", GroupWeights::Market), ("equal", GroupWeights::Equal)];

    /// Reads `"market"` or `"equal"`.
    ///
    /// # Errors
    /// [`Error::UnknownName`] with the valid names.
    pub(crate) fn from_json(value: &Value) -> Result<GroupWeights> {
        let named = |(name, _): &&(&str, GroupWeights)| value.as_str() == Some(name);
        let found = GroupWeights::ALL.iter().find(named).map(|(_, weights)| *weights);
        found.ok_or_else(|| Error::UnknownName {
            kind: "group_weights",
            name: value.as_str().map_or_else(|| value.to_string(), str::to_owned),
            valid: GroupWeights::ALL.map(|(name, _)| name.to_owned()).to_vec(),
        })
    }
}

/// A view as read, before its names are looked up.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// The view as its author wrote it.
    pub text: String,
    /// The names with their coefficients.
    pub terms: Vec<(String, f64)>,
    /// The return of the left side, total and a year.
    pub value: f64,
    /// How sure it is.
    pub uncertainty: Uncertainty,
    /// What the members of its groups weigh; without it what all views together say.
    pub group_weights: Option<GroupWeights>,
}

/// Views as read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Views(Vec<View>);

/// Views over a universe: P, Q and how sure each is.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedViews {
    /// The text of each view.
    pub text: Vec<String>,
    /// P, a row per view and a column per ticker.
    pub p: Array2<f64>,
    /// Q, the return of each view.
    pub q: Array1<f64>,
    /// How sure each view is.
    pub uncertainty: Vec<Uncertainty>,
}

impl Views {
    /// Reads views: an array (or a single one) of strings `"MSFT - GE = 5%"` and objects, either
    /// `{"view": "MSFT - GE = 5%", "confidence": 0.6}` or `{"assets": {"MSFT": 1, "GE": -1}, "return": 0.05}`, each
    /// with `confidence` or `variance` or neither, and with `group_weights` where it names a group.
    ///
    /// # Errors
    /// [`Error::InvalidView`] with the view and what is wrong with it, [`Error::UnknownName`] for an unknown key,
    /// [`Error::InvalidArgument`] for more than [`MAX_VIEWS`].
    pub fn parse(value: &Value) -> Result<Views> {
        let items = match value {
            Value::Null => &[][..],
            Value::Array(items) => items.as_slice(),
            single => std::slice::from_ref(single),
        };
        if items.len() > MAX_VIEWS {
            return Err(Error::InvalidArgument {
                argument: "views",
                value: format!("{} views", items.len()),
                expected: format!("at most {MAX_VIEWS}"),
            });
        }
        items.iter().map(View::parse).collect::<Result<_>>().map(Views)
    }

    /// The views.
    pub fn views(&self) -> &[View] {
        &self.0
    }

    /// Whether none of them counts: there is none, or nobody is confident in any.
    pub fn is_silent(&self) -> bool {
        self.0.iter().all(|view| view.uncertainty == Uncertainty::Confidence(0.0))
    }

    /// The same with these weights in the groups of views that name none of their own.
    #[must_use]
    pub fn with_group_weights(mut self, group_weights: GroupWeights) -> Views {
        for view in &mut self.0 {
            view.group_weights.get_or_insert(group_weights);
        }
        self
    }

    /// Looks the names up. A group stands for its members in the proportions of `weights`, the market weights of
    /// the universe, or in equal ones, scaled to one inside the group.
    ///
    /// # Errors
    /// [`Error::InvalidView`] for a name that is neither a ticker nor a group, for a group without members, and for
    /// terms that cancel each other.
    pub fn resolve(
        &self,
        universe: &Universe,
        groups: &Groups,
        weights: &Array1<f64>,
    ) -> Result<ResolvedViews> {
        let mut p = Array2::zeros((self.0.len(), universe.len()));
        for (view, mut row) in self.0.iter().zip(p.rows_mut()) {
            for (name, coefficient) in &view.terms {
                for (index, share) in view.members(name, universe, groups, weights)? {
                    row[index] += coefficient * share;
                }
            }
            if row.iter().all(|coefficient| *coefficient == 0.0) {
                return Err(view.invalid("its terms cancel each other, so it says nothing of any ticker"));
            }
        }
        Ok(ResolvedViews {
            text: self.0.iter().map(|view| view.text.clone()).collect(),
            p,
            q: self.0.iter().map(|view| view.value).collect(),
            uncertainty: self.0.iter().map(|view| view.uncertainty).collect(),
        })
    }
}

impl View {
    fn new(text: &str, terms: Vec<(String, f64)>, value: Written) -> Result<View> {
        let forgotten = |value: rate::Forgotten| invalid(text, &value.in_text());
        let value = Kind::Return.require(value).map_err(forgotten)?;
        let uncertainty = Uncertainty::Proportional;
        View { text: text.to_owned(), terms, value, uncertainty, group_weights: None }.checked()
    }

    fn parse(value: &Value) -> Result<View> {
        match value {
            Value::String(text) => View::parse_text(text),
            Value::Object(object) => View::parse_object(value, object),
            other => Err(invalid(&other.to_string(), "neither a string nor an object")),
        }
    }

    fn parse_object(value: &Value, object: &Map<String, Value>) -> Result<View> {
        const KEYS: [&str; 6] = ["view", "assets", "return", "confidence", "variance", "group_weights"];
        input::only_keys("key of a view", object, &KEYS)?;
        let written = value.to_string();
        let mut view = match (object.get("view"), object.get("assets"), object.get("return")) {
            (Some(Value::String(text)), None, None) => View::parse_text(text)?,
            (None, Some(Value::Object(assets)), Some(value)) => {
                // Who can state the variance of a view computes, and loses no percent sign: a day's forecast is large in a year.
                let computed = object.contains_key("variance");
                parse_assets(&written, assets, value, computed)?
            }
            _ => {
                return Err(invalid(&written, "write either \"view\", or \"assets\" with \"return\""));
            }
        };
        view.uncertainty = match (given(object, "confidence"), given(object, "variance")) {
            (None, None) => Uncertainty::Proportional,
            (Some(confidence), None) => {
                let confidence = rate::read("confidence", Kind::Part, confidence).ok();
                Uncertainty::Confidence(confidence.filter(|c| (0.0..=1.0).contains(c)).ok_or_else(|| {
                    invalid(&written, "the confidence must lie between 0 and 1; 60 % is 0.6")
                })?)
            }
            (None, Some(variance)) => Uncertainty::Variance(
                variance
                    .as_f64()
                    .filter(|v| v.is_finite() && *v >= 0.0)
                    .ok_or_else(|| invalid(&written, "the variance must be a number, 0 or over"))?,
            ),
            (Some(_), Some(_)) => {
                return Err(invalid(&written, "give a confidence or a variance, not both"));
            }
        };
        view.group_weights = given(object, "group_weights").map(GroupWeights::from_json).transpose()?;
        Ok(view)
    }

    fn parse_text(text: &str) -> Result<View> {
        let fail = |reason: &str| Err(invalid(text, reason));
        let tokens = tokenise(text).map_err(|reason| invalid(text, &reason))?;
        let Some(equals) = tokens.iter().position(|token| *token == Token::Equals) else {
            return fail("there is no \"=\"; write for example AAPL = 10%");
        };
        let (left, right) = (&tokens[..equals], &tokens[equals + 1..]);
        let value = parse_return(right).map_err(|reason| invalid(text, &reason))?;
        if left.is_empty() {
            return fail("it names no ticker");
        }
        let mut terms = Vec::new();
        let mut sign = None;
        let mut start = 0;
        for (index, token) in left.iter().enumerate().chain(std::iter::once((left.len(), &Token::Equals))) {
            let next_sign = match token {
                Token::Plus => 1.0,
                Token::Minus => -1.0,
                Token::Equals => 0.0,
                Token::Word(_) | Token::Quoted(_) | Token::Times => continue,
            };
            if index > start {
                let (name, coefficient) =
                    parse_term(&left[start..index]).map_err(|reason| invalid(text, &reason))?;
                terms.push((name, sign.unwrap_or(1.0) * coefficient));
            } else if sign.is_some() || next_sign == 0.0 {
                return fail("a ticker is missing beside a sign");
            }
            sign = Some(next_sign);
            start = index + 1;
        }
        View::new(text.trim(), terms, value)
    }

    fn checked(self) -> Result<View> {
        if self.terms.is_empty() {
            return Err(self.invalid("it names no ticker"));
        }
        if self.value.abs() > MAX_VIEW_RETURN {
            let reason =
                format!("a return of {:e} a year is over the largest, {MAX_VIEW_RETURN:e}", self.value);
            return Err(self.invalid(&reason));
        }
        if let Some((name, _)) = self.terms.iter().find(|(_, coefficient)| !coefficient.is_finite()) {
            return Err(self.invalid(&format!("the coefficient of {name} is not finite")));
        }
        Ok(self)
    }

    fn invalid(&self, reason: &str) -> Error {
        invalid(&self.text, reason)
    }

    /// The tickers that a name stands for, with their shares.
    fn members(
        &self,
        name: &str,
        universe: &Universe,
        groups: &Groups,
        weights: &Array1<f64>,
    ) -> Result<Vec<(usize, f64)>> {
        if let Some(index) = universe.find(name) {
            return Ok(vec![(index, 1.0)]);
        }
        if groups.is_group(name) {
            let members = groups.members(universe, name)?;
            if members.is_empty() {
                return Err(self.invalid(&format!("none of the tickers is in {name}")));
            }
            let equal = self.group_weights == Some(GroupWeights::Equal);
            let total: f64 = members.iter().map(|&index| weights[index]).sum();
            let share = |index: usize| {
                if total > 0.0 && !equal { weights[index] / total } else { 1.0 / members.len() as f64 }
            };
            return Ok(members.iter().map(|&index| (index, share(index))).collect());
        }
        let parts = name.split(['-', '+']).map(str::trim).collect::<Vec<_>>();
        if parts.len() > 1 && parts.iter().all(|part| universe.find(part).is_some()) {
            let spaced = parts.join(" - ");
            let reason = format!("unknown ticker \"{name}\"; put spaces around a sign, as in {spaced}");
            return Err(self.invalid(&reason));
        }
        Err(self.invalid(&format!(
            "\"{name}\" is neither one of the {} tickers of the call ({}) nor a group",
            universe.len(),
            input::listed(universe.tickers())
        )))
    }
}

/// A value that is there, and not null.
fn given<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    object.get(key).filter(|value| !value.is_null())
}

fn invalid(view: &str, reason: &str) -> Error {
    Error::InvalidView { view: view.to_owned(), reason: reason.to_owned() }
}

fn parse_assets(written: &str, assets: &Map<String, Value>, value: &Value, computed: bool) -> Result<View> {
    let value = rate::written(value)
        .ok_or_else(|| invalid(written, "the return must be a number or a text like \"5%\""))?;
    let value = if computed { value.meant() } else { value };
    let terms = assets
        .iter()
        .map(|(name, coefficient)| {
            let coefficient = coefficient
                .as_f64()
                .ok_or_else(|| invalid(written, &format!("the coefficient of {name} is no number")))?;
            Ok((name.clone(), coefficient))
        })
        .collect::<Result<Vec<_>>>()?;
    let view = View::new(written, terms, value)?;
    Ok(View { text: spoken(&view.terms, view.value), ..view })
}

/// The most terms that are spelled out: of a view with more than that nobody reads each.
const SPOKEN_TERMS: usize = 8;

/// A view of objects as its author would have written it: what people read in a report is no JSON.
fn spoken(terms: &[(String, f64)], value: f64) -> String {
    let mut text = String::new();
    for (index, (name, coefficient)) in terms.iter().take(SPOKEN_TERMS).enumerate() {
        text += match (index, *coefficient < 0.0) {
            (0, false) => "",
            (0, true) => "- ",
            (_, false) => " + ",
            (_, true) => " - ",
        };
        if coefficient.abs() != 1.0 {
            text += &format!("{} ", coefficient.abs());
        }
        let plain =
            !name.contains(|letter: char| letter.is_whitespace() || "+-*=\"'\u{2212}".contains(letter));
        let quote = if name.contains('"') { '\'' } else { '"' };
        text += &if plain { name.clone() } else { format!("{quote}{name}{quote}") };
    }
    if terms.len() > SPOKEN_TERMS {
        text += &format!(" ... {} more", terms.len() - SPOKEN_TERMS);
    }
    format!("{text} = {:.2} %", value * 100.0)
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Plus,
    Minus,
    Times,
    Equals,
    Word(String),
    Quoted(String),
}

/// Cuts a view into words, quoted names and operators. A sign is an operator where it stands alone or begins a
/// word; inside a word it belongs to the name.
fn tokenise(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(&next) = chars.peek() {
        let operator = match next {
            '+' => Some(Token::Plus),
            // The typographic minus too, since texts are pasted from documents.
            '-' | '\u{2212}' => Some(Token::Minus),
            '*' => Some(Token::Times),
            '=' => Some(Token::Equals),
            _ => None,
        };
        if next.is_whitespace() {
            chars.next();
        } else if let Some(operator) = operator {
            chars.next();
            tokens.push(operator);
        } else {
            tokens.push(read_word(&mut chars)?);
        }
    }
    Ok(tokens)
}

fn read_word(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Token, String> {
    let mut word = String::new();
    let mut quoted = false;
    while let Some(&next) = chars.peek() {
        if next.is_whitespace() || next == '=' || next == '*' {
            break;
        }
        chars.next();
        if next == '"' || next == '\'' {
            quoted = true;
            loop {
                match chars.next() {
                    Some(c) if c == next => break,
                    Some(c) => word.push(c),
                    None => return Err(format!("the quote {next} is not closed")),
                }
            }
        } else {
            word.push(next);
        }
    }
    if quoted { Ok(Token::Quoted(word)) } else { Ok(Token::Word(word)) }
}

/// The name of a term and its coefficient: `X`, `0.5 X` or `0.5 * X`. A lone number is a name, since tickers may be
/// numbers.
fn parse_term(tokens: &[Token]) -> Result<(String, f64), String> {
    let name = |token: &Token| match token {
        Token::Word(name) | Token::Quoted(name) => Ok(name.clone()),
        _ => Err("a ticker is missing beside a sign".to_owned()),
    };
    let coefficient = |token: &Token| {
        match token {
        Token::Word(word) => rate::parse(word)
            .map(Written::number)
            .ok_or_else(|| {
                format!(
                    "\"{word}\" is not a number; between two tickers stands + or -, and a name with spaces in quotes"
                )
            }),
        _ => Err("a coefficient must be a number".to_owned()),
    }
    };
    match tokens {
        [only] => Ok((name(only)?, 1.0)),
        [number, word] | [number, Token::Times, word] => Ok((name(word)?, coefficient(number)?)),
        _ => Err("a term is a ticker, or a number and a ticker".to_owned()),
    }
}

/// What is said of a view with two of them.
const TWO_EQUALS: &str =
    "there is more than one \"=\"; a name with one in it stands in quotes, as in '\"EURUSD=X\" = 10%'";

/// A number with a sign before it, and a percent sign behind it or not.
fn parse_return(tokens: &[Token]) -> Result<Written, String> {
    let (mut text, mut words) = (String::new(), Vec::new());
    for token in tokens {
        match token {
            Token::Plus if words.is_empty() => text.push('+'),
            Token::Minus if words.is_empty() => text.push('-'),
            Token::Word(word) => words.push(word.as_str()),
            Token::Equals => return Err(TWO_EQUALS.to_owned()),
            _ => return Err("right of \"=\" stands a return".to_owned()),
        }
    }
    text.push_str(&words.join(" "));
    rate::parse(&text)
        .ok_or_else(|| format!("\"{text}\" is not a return; right of \"=\" stands a number like 5% or 0.05"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(value: Value) -> Result<View> {
        Views::parse(&value).map(|views| views.0.into_iter().next().unwrap())
    }

    fn terms(text: &str) -> (Vec<(String, f64)>, f64) {
        let view = one(json!(text)).unwrap_or_else(|error| panic!("{text}: {error}"));
        (view.terms, view.value)
    }

    fn named(terms: &[(&str, f64)]) -> Vec<(String, f64)> {
        terms.iter().map(|(name, coefficient)| ((*name).to_owned(), *coefficient)).collect()
    }

    #[test]
    fn texts_are_read() {
        type Case = (&'static str, &'static [(&'static str, f64)], f64);
        let cases: &[Case] = &[
            ("AAPL = 10%", &[("AAPL", 1.0)], 0.1),
            ("AAPL=0.1", &[("AAPL", 1.0)], 0.1),
            ("AAPL = -5 %", &[("AAPL", 1.0)], -0.05),
            ("AAPL = - 5%", &[("AAPL", 1.0)], -0.05),
            ("MSFT - GE = 5%", &[("MSFT", 1.0), ("GE", -1.0)], 0.05),
            ("- MSFT + GE = 5%", &[("MSFT", -1.0), ("GE", 1.0)], 0.05),
            ("0.5 AAPL + 0.5*MSFT - GE = 2%", &[("AAPL", 0.5), ("MSFT", 0.5), ("GE", -1.0)], 0.02),
            ("BRK-B - BF.B = 7%", &[("BRK-B", 1.0), ("BF.B", -1.0)], 0.07),
            ("\"A - B\" - 'C=D' = 1e-2", &[("A - B", 1.0), ("C=D", -1.0)], 0.01),
            (
                "sector:\"Real Estate\" - sector:Energy = 3%",
                &[("sector:Real Estate", 1.0), ("sector:Energy", -1.0)],
                0.03,
            ),
            ("600519 - 0.5 000858 = 2%", &[("600519", 1.0), ("000858", -0.5)], 0.02),
            ("50% A + 50% B = 2%", &[("A", 0.5), ("B", 0.5)], 0.02),
            ("A = 1000 %", &[("A", 1.0)], 10.0),
            ("A \u{2212} B = 2%", &[("A", 1.0), ("B", -1.0)], 0.02),
        ];
        for (text, expected, value) in cases {
            assert_eq!(terms(text), (named(expected), *value), "{text}");
        }
    }

    #[test]
    fn what_is_no_view_is_refused_with_a_reason() {
        let cases = [
            ("", "no \"=\""),
            ("AAPL", "no \"=\""),
            ("= 5%", "names no ticker"),
            ("AAPL = ", "is not a return"),
            ("AAPL = ten", "is not a return"),
            ("AAPL = inf", "is not a return"),
            ("AAPL = 10", "10 alone is 1000 %; write 10 % or 0.1"),
            ("MSFT - GE = 5", "5 alone is 500 %; write 5 % or 0.05"),
            ("AAPL = 1 2 %", "\"1 2 %\" is not a return"),
            ("AAPL = 1 2", "\"1 2\" is not a return"),
            ("AAPL = 5 - 2 %", "stands a return"),
            ("AAPL = 1e9 %", "over the largest"),
            ("AAPL = 5% = 6%", "more than one"),
            ("AAPL MSFT = 5%", "is not a number"),
            ("sector:Real Estate = 5%", "a name with spaces in quotes"),
            ("EURUSD=X = 10%", "stands in quotes"),
            ("AAPL - = 5%", "missing beside a sign"),
            ("AAPL - - GE = 5%", "missing beside a sign"),
            ("* GE = 5%", "must be a number"),
            ("2 3 GE = 5%", "a number and a ticker"),
            ("\"AAPL = 5%", "not closed"),
        ];
        for (text, expected) in cases {
            match one(json!(text)) {
                Err(Error::InvalidView { reason, .. }) => {
                    assert!(reason.contains(expected), "{text}: {reason}")
                }
                other => panic!("{text}: {other:?}"),
            }
        }
        for value in [
            json!(3),
            json!({ "view": "A = 5%", "return": 0.1 }),
            json!({ "assets": { "A": 1 } }),
            json!({ "view": "A = 5%", "confidence": 60 }),
            json!({ "view": "A = 5%", "confidence": -0.1 }),
            json!({ "view": "A = 5%", "variance": -1 }),
            json!({ "view": "A = 5%", "confidence": 0.5, "variance": 1 }),
            json!({ "assets": {}, "return": 0.1 }),
            json!({ "assets": { "A": "x" }, "return": 0.1 }),
        ] {
            assert!(matches!(one(value.clone()), Err(Error::InvalidView { .. })), "{value}");
        }
        assert!(matches!(one(json!({ "view": "A = 5%", "confidense": 1 })), Err(Error::UnknownName { .. })));
    }

    #[test]
    fn objects_are_read() {
        let view = one(json!({ "view": "A = 5%", "confidence": 0.6 })).unwrap();
        assert_eq!(view.uncertainty, Uncertainty::Confidence(0.6));
        let view = one(json!({ "view": "A = 5%", "confidence": null, "variance": null })).unwrap();
        assert_eq!(view.uncertainty, Uncertainty::Proportional);
        let view = one(json!({ "assets": { "A": 1, "B": -1 }, "return": "5%", "variance": 0.01 })).unwrap();
        assert_eq!((view.terms.len(), view.value), (2, 0.05));
        assert_eq!(view.uncertainty, Uncertainty::Variance(0.01));
        assert_eq!(view.text, "A - B = 5.00 %");
        let view = one(json!({ "assets": { "BRK-B": -0.5, "Z": 1 }, "return": -0.012 })).unwrap();
        assert_eq!(view.text, "- 0.5 \"BRK-B\" + Z = -1.20 %");
        let view = one(json!({ "view": "A = 5%", "group_weights": null })).unwrap();
        assert_eq!(view.group_weights, None);
        let view = json!({ "assets": { "A": 1 }, "return": 7.5, "variance": 9 });
        assert_eq!(one(view).unwrap().value, 7.5);
        assert!(one(json!({ "assets": { "A": 1 }, "return": 7.5 })).is_err());
        assert_eq!(Views::parse(&Value::Null).unwrap(), Views::default());
    }

    #[test]
    fn names_become_rows_of_p() {
        let universe = Universe::new(&["A", "B", "C"].map(str::to_owned)).unwrap();
        let groups =
            Groups::from_json(&json!({ "sector": { "A": "X", "B": "X", "C": "Y", "D": "Z" } })).unwrap();
        let weights = ndarray::arr1(&[0.1, 0.3, 0.6]);
        let resolve = |text: &str| {
            Views::parse(&json!([text]))
                .unwrap()
                .resolve(&universe, &groups, &weights)
                .map(|v| v.p.row(0).to_vec())
        };
        assert_eq!(resolve("C - 2 A = 5%").unwrap(), [-2.0, 0.0, 1.0]);
        let row = resolve("sector:X - sector:Y = 5%").unwrap();
        assert!(row.iter().zip([0.25, 0.75, -1.0]).all(|(a, b)| (a - b).abs() < 1e-15), "{row:?}");
        for (text, expected) in [
            ("Q = 5%", "neither one of"),
            ("A-B = 5%", "put spaces around a sign, as in A - B"),
            ("A - A = 5%", "cancel"),
            ("sector:Z = 5%", "none of the tickers"),
        ] {
            match resolve(text) {
                Err(Error::InvalidView { reason, .. }) => {
                    assert!(reason.contains(expected), "{text}: {reason}")
                }
                other => panic!("{text}: {other:?}"),
            }
        }
        assert!(matches!(resolve("sector:Zed = 5%"), Err(Error::UnknownName { .. })));
        let weighed = |group_weights: &str| {
            let view = json!({ "view": "sector:X - 2 sector:Y = 5%", "group_weights": group_weights });
            Views::parse(&view)?.resolve(&universe, &groups, &weights).map(|v| v.p.row(0).to_vec())
        };
        assert_eq!(weighed("equal").unwrap(), [0.5, 0.5, -2.0]);
        assert!((weighed("market").unwrap()[0] - 0.25).abs() < 1e-15);
        assert!(
            matches!(weighed("cap"), Err(Error::UnknownName { valid, .. }) if valid == ["market", "equal"])
        );
    }
}
