//! The number that Clarabel computes with: a double whose reciprocal looks at the cancel flag.
//!
//! Clarabel asks whether to stop once a step, and a step is one factorisation: with 500 dense rows a third of a second. Its
//! factorisation takes the reciprocal of each pivot, and the type of its numbers is ours to choose, so the flag is looked at
//! once a column. A computation that is to stop leaves by unwinding, without the panic's message, to [`interruptible`].
//! All else is the arithmetic of doubles, bit for bit.

use std::cell::RefCell;
use std::fmt;
use std::num::FpCategory;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Rem, RemAssign, Sub, SubAssign};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use num_traits::{Float, FloatConst, FromPrimitive, Num, NumCast, One, ToPrimitive, Zero};

use crate::task::{Cancel, Cancelled};
use crate::work;

/// A double.
#[derive(Clone, Copy, Default, PartialEq, PartialOrd)]
#[repr(transparent)]
pub(crate) struct Polled(pub(crate) f64);

/// What the looks of the computation that runs on this thread need.
struct Watched {
    cancel: Cancel,
    /// The units of work between two reciprocals.
    units: usize,
}

thread_local! {
    static WATCHED: RefCell<Option<Watched>> = const { RefCell::new(None) };
}

/// Runs a computation with [`Polled`] numbers, which ends early where it is cancelled. `units` is the work that it does for
/// each reciprocal.
///
/// # Errors
/// [`Cancelled`].
pub(crate) fn interruptible<T>(
    cancel: &Cancel,
    units: usize,
    work: impl FnOnce() -> T,
) -> Result<T, Cancelled> {
    WATCHED.set(Some(Watched { cancel: cancel.clone(), units }));
    let outcome = catch_unwind(AssertUnwindSafe(work));
    WATCHED.set(None);
    outcome.or_else(|panic| if panic.is::<Cancelled>() { Err(Cancelled) } else { resume_unwind(panic) })
}

fn look() {
    WATCHED.with_borrow(|watched| {
        let Some(Watched { cancel, units }) = watched else { return };
        work::count(*units);
        if let Err(cancelled) = cancel.check() {
            resume_unwind(Box::new(cancelled));
        }
    });
}

macro_rules! operators {
    ($($trait:ident $method:ident $assign:ident $assign_method:ident;)+) => { $(
        impl $trait for Polled {
            type Output = Polled;
            #[inline(always)]
            fn $method(self, other: Polled) -> Polled {
                Polled(self.0.$method(other.0))
            }
        }
        impl $assign for Polled {
            #[inline(always)]
            fn $assign_method(&mut self, other: Polled) {
                self.0.$assign_method(other.0);
            }
        }
    )+ };
}

operators! {
    Add add AddAssign add_assign;
    Sub sub SubAssign sub_assign;
    Mul mul MulAssign mul_assign;
    Div div DivAssign div_assign;
    Rem rem RemAssign rem_assign;
}

impl Neg for Polled {
    type Output = Polled;
    #[inline(always)]
    fn neg(self) -> Polled {
        Polled(-self.0)
    }
}

impl fmt::Debug for Polled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Polled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::LowerExp for Polled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Zero for Polled {
    fn zero() -> Polled {
        Polled(0.0)
    }
    fn is_zero(&self) -> bool {
        self.0 == 0.0
    }
}

impl One for Polled {
    fn one() -> Polled {
        Polled(1.0)
    }
}

impl Num for Polled {
    type FromStrRadixErr = num_traits::ParseFloatError;
    fn from_str_radix(text: &str, radix: u32) -> Result<Polled, Self::FromStrRadixErr> {
        f64::from_str_radix(text, radix).map(Polled)
    }
}

impl ToPrimitive for Polled {
    fn to_i64(&self) -> Option<i64> {
        self.0.to_i64()
    }
    fn to_u64(&self) -> Option<u64> {
        self.0.to_u64()
    }
    fn to_f64(&self) -> Option<f64> {
        Some(self.0)
    }
}

impl NumCast for Polled {
    fn from<T: ToPrimitive>(number: T) -> Option<Polled> {
        number.to_f64().map(Polled)
    }
}

impl FromPrimitive for Polled {
    fn from_i64(number: i64) -> Option<Polled> {
        f64::from_i64(number).map(Polled)
    }
    fn from_u64(number: u64) -> Option<Polled> {
        f64::from_u64(number).map(Polled)
    }
    fn from_f64(number: f64) -> Option<Polled> {
        Some(Polled(number))
    }
}

macro_rules! constants {
    ($($name:ident)+) => {
        impl FloatConst for Polled {
            $(fn $name() -> Polled { Polled(std::f64::consts::$name) })+
        }
    };
}

constants! {
    E FRAC_1_PI FRAC_1_SQRT_2 FRAC_2_PI FRAC_2_SQRT_PI FRAC_PI_2 FRAC_PI_3 FRAC_PI_4
    FRAC_PI_6 FRAC_PI_8 LN_10 LN_2 LOG10_E LOG2_E PI SQRT_2
}

macro_rules! float {
    (limits: $($limit:ident)+; unary: $($unary:ident)+; binary: $($binary:ident)+; is: $($is:ident)+;) => {
        impl Float for Polled {
            $(#[inline(always)] fn $limit() -> Polled { Polled(<f64 as Float>::$limit()) })+
            $(#[inline(always)] fn $unary(self) -> Polled { Polled(f64::$unary(self.0)) })+
            $(#[inline(always)] fn $binary(self, other: Polled) -> Polled { Polled(f64::$binary(self.0, other.0)) })+
            $(#[inline(always)] fn $is(self) -> bool { f64::$is(self.0) })+

            #[inline]
            fn recip(self) -> Polled {
                look();
                Polled(self.0.recip())
            }
            #[inline(always)]
            fn mul_add(self, a: Polled, b: Polled) -> Polled {
                Polled(self.0.mul_add(a.0, b.0))
            }
            #[inline(always)]
            fn powi(self, exponent: i32) -> Polled {
                Polled(self.0.powi(exponent))
            }
            #[inline(always)]
            fn abs_sub(self, other: Polled) -> Polled {
                Polled((self.0 - other.0).max(0.0))
            }
            #[inline(always)]
            fn sin_cos(self) -> (Polled, Polled) {
                let (sine, cosine) = self.0.sin_cos();
                (Polled(sine), Polled(cosine))
            }
            fn classify(self) -> FpCategory {
                self.0.classify()
            }
            fn integer_decode(self) -> (u64, i16, i8) {
                Float::integer_decode(self.0)
            }
        }
    };
}

float! {
    limits: nan infinity neg_infinity neg_zero min_value min_positive_value max_value epsilon;
    unary: floor ceil round trunc fract abs signum exp exp2 ln log2 log10 cbrt sin cos tan
        asin acos atan exp_m1 ln_1p sinh cosh tanh asinh acosh atanh sqrt;
    binary: powf log max min hypot atan2;
    is: is_nan is_infinite is_finite is_normal is_sign_positive is_sign_negative;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reciprocal_of_a_cancelled_computation_ends_it() {
        let cancel = Cancel::default();
        let half = || Polled(2.0).recip();
        assert_eq!(interruptible(&cancel, 1, half).unwrap(), Polled(0.5));
        cancel.cancel();
        assert_eq!(interruptible(&cancel, 1, half).unwrap_err(), Cancelled);
        assert_eq!(half(), Polled(0.5), "nobody is asked outside of the computation");
    }

    #[test]
    fn another_panic_passes() {
        let panicked =
            catch_unwind(|| interruptible(&Cancel::default(), 1, || resume_unwind(Box::new("other"))));
        assert_eq!(panicked.unwrap_err().downcast_ref::<&str>(), Some(&"other"));
    }
}
