//! The arithmetic of the network: eight rows of a batch at once, in f32 to compute and in f64 to check the gradient.
//!
//! There are two implementations of [`Vector`]: [`Portable`] lets the compiler do what it can, `Avx2` names the
//! instructions, because left to itself the compiler, even where it is allowed them, puts neighbouring gates instead of
//! rows into a register and shuffles, which took nearly four times as long. Multiplications and additions are never
//! fused, so that both, and with them all machines, give the same bits; that costs about a tenth of the speed.

use std::ops::{Add, Div, Mul, Sub};

/// Rows that are computed together: one 256-bit register of f32.
pub(super) const LANES: usize = 8;

/// A floating point number with the one transcendental function that an LSTM needs.
pub(super) trait Real:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + 'static
{
    const ZERO: Self;
    const ONE: Self;

    /// The nearest number to `x`.
    fn from_f64(x: f64) -> Self;

    /// e^x for |x| <= [`EXP_LIMIT`]; beyond that, its value there.
    fn exp(self) -> Self;
}

/// Beyond this an exponential is 0 or infinite for the purposes of a gate, and f32 is still far from its limits.
const EXP_LIMIT: f32 = 80.0;

impl Real for f32 {
    const ZERO: f32 = 0.0;
    const ONE: f32 = 1.0;

    #[inline(always)]
    fn from_f64(x: f64) -> f32 {
        x as f32
    }

    /// Cody and Waite's reduction x = n ln 2 + r with |r| <= ln 2 / 2, then the Taylor polynomial of degree 7, whose
    /// remainder r^8 / 8! is under 6e-9. It has no branch and no call, so that all lanes can be computed at once.
    #[inline(always)]
    fn exp(self) -> f32 {
        let x = self.clamp(-EXP_LIMIT, EXP_LIMIT);
        let shifted = x * std::f32::consts::LOG2_E + exp::ROUND;
        let n = shifted - exp::ROUND;
        let r = (x - n * exp::LN_2_HIGH) - n * exp::LN_2_LOW;
        let p = exp::TAYLOR[1..].iter().fold(exp::TAYLOR[0], |p, c| p * r + c);
        p * f32::from_bits(shifted.to_bits().wrapping_add(exp::BIAS) << 23)
    }
}

/// The constants of the exponential.
mod exp {
    /// 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits.
    pub const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts; the first has so few bits that n times it is exact.
    pub const LN_2_HIGH: f32 = 0.693_359_4;
    /// What is left of ln 2.
    pub const LN_2_LOW: f32 = -2.121_944_4e-4;
    /// 1 / 7!, 1 / 6!, ..., 1 / 0!.
    pub const TAYLOR: [f32; 8] =
        [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    /// Takes `ROUND` off again, and adds what a float's exponent is biased by.
    pub const BIAS: u32 = 127u32.wrapping_sub(ROUND.to_bits());
}

impl Real for f64 {
    const ZERO: f64 = 0.0;
    const ONE: f64 = 1.0;

    fn from_f64(x: f64) -> f64 {
        x
    }

    fn exp(self) -> f64 {
        f64::exp(self.clamp(-f64::from(EXP_LIMIT), f64::from(EXP_LIMIT)))
    }
}

/// One quantity of every row of a batch, in memory.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(align(32))]
pub(super) struct Lanes<T>(pub [T; LANES]);

impl<T: Real> Lanes<T> {
    /// Zero in every row.
    pub const ZERO: Lanes<T> = Lanes([T::ZERO; LANES]);
    /// One in every row.
    pub const ONE: Lanes<T> = Lanes([T::ONE; LANES]);
}

/// One quantity of every row of a batch, in a register.
pub(super) trait Vector:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    type Number: Real;
    /// The proof that the processor has the instructions.
    type Token: Copy;

    /// `x` in every row.
    fn splat(token: Self::Token, x: Self::Number) -> Self;

    /// From memory.
    fn load(token: Self::Token, lanes: &Lanes<Self::Number>) -> Self;

    /// To memory.
    fn store(self) -> Lanes<Self::Number>;

    /// [`Real::exp`] of each row.
    fn exp(self) -> Self;

    /// The sum of the rows, in pairs.
    #[inline(always)]
    fn sum(self) -> Self::Number {
        let [a, b, c, d, e, f, g, h] = self.store().0;
        ((a + b) + (c + d)) + ((e + f) + (g + h))
    }
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub(super) fn sigmoid<V: Vector>(token: V::Token, x: V) -> V {
    let (zero, one) = (V::splat(token, V::Number::ZERO), V::splat(token, V::Number::ONE));
    one / (one + (zero - x).exp())
}

/// The hyperbolic tangent, to an absolute (not relative) error of a few units in the last place of 1.
#[inline(always)]
pub(super) fn tanh<V: Vector>(token: V::Token, x: V) -> V {
    let one = V::splat(token, V::Number::ONE);
    one - (one + one) / (one + (x + x).exp())
}

/// The implementation for any processor and both number types.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portable<T>([T; LANES]);

impl<T: Real> Vector for Portable<T> {
    type Number = T;
    type Token = ();

    #[inline(always)]
    fn splat((): (), x: T) -> Self {
        Portable([x; LANES])
    }

    #[inline(always)]
    fn load((): (), lanes: &Lanes<T>) -> Self {
        Portable(lanes.0)
    }

    #[inline(always)]
    fn store(self) -> Lanes<T> {
        Lanes(self.0)
    }

    #[inline(always)]
    fn exp(self) -> Self {
        Portable(self.0.map(T::exp))
    }
}

macro_rules! portable_operator {
    ($operator:ident, $method:ident, $sign:tt) => {
        impl<T: Real> $operator for Portable<T> {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Portable(std::array::from_fn(|lane| self.0[lane] $sign other.0[lane]))
            }
        }
    };
}

portable_operator!(Add, add, +);
portable_operator!(Sub, sub, -);
portable_operator!(Mul, mul, *);
portable_operator!(Div, div, /);

/// A computation that is written once for every [`Vector`].
pub(super) trait Kernel {
    /// Computes. Must be `inline(always)`, as all it calls: the instructions are allowed to it alone.
    fn run<V: Vector<Number = f32>>(self, token: V::Token);
}

/// Runs the computation on the widest instructions that the processor has.
pub(super) fn run(kernel: impl Kernel) {
    #[cfg(target_arch = "x86_64")]
    if let Some(token) = pulp::x86::V3::try_new() {
        return token.vectorize(avx2::Call(kernel, token));
    }
    kernel.run::<Portable<f32>>(());
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::ops::{Add, Div, Mul, Sub};

    use pulp::x86::V3;
    use pulp::{Simd, cast, f32x8, u32x8};

    use super::{EXP_LIMIT, Kernel, Lanes, Vector, exp};

    /// A kernel with what it needs to run: pulp takes no generic closure.
    pub(super) struct Call<K>(pub K, pub V3);

    impl<K: Kernel> pulp::NullaryFnOnce for Call<K> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            self.0.run::<Avx2>(self.1);
        }
    }

    /// The implementation for x86-64 with AVX2, chosen at run time.
    #[derive(Debug, Clone, Copy)]
    pub(super) struct Avx2(V3, f32x8);

    impl Vector for Avx2 {
        type Number = f32;
        type Token = V3;

        #[inline(always)]
        fn splat(token: V3, x: f32) -> Self {
            Avx2(token, token.splat_f32s(x))
        }

        #[inline(always)]
        fn load(token: V3, lanes: &Lanes<f32>) -> Self {
            Avx2(token, cast(lanes.0))
        }

        #[inline(always)]
        fn store(self) -> Lanes<f32> {
            Lanes(cast(self.1))
        }

        /// Step by step what `f32::exp` of [`super::Real`] does.
        #[inline(always)]
        fn exp(self) -> Self {
            let Avx2(v3, x) = self;
            let constant = |c: f32| Avx2(v3, v3.splat_f32s(c));
            // The instructions return their second operand where one is NaN: so NaN stays.
            let x = v3.max_f32s(v3.splat_f32s(-EXP_LIMIT), x);
            let x = Avx2(v3, v3.min_f32s(v3.splat_f32s(EXP_LIMIT), x));
            let shifted = x * constant(std::f32::consts::LOG2_E) + constant(exp::ROUND);
            let n = shifted - constant(exp::ROUND);
            let r = (x - n * constant(exp::LN_2_HIGH)) - n * constant(exp::LN_2_LOW);
            let mut p = constant(exp::TAYLOR[0]);
            for c in &exp::TAYLOR[1..] {
                p = p * r + constant(*c);
            }
            let bits: u32x8 = cast(shifted.1);
            let exponent = v3.add_u32s(bits, v3.splat_u32s(exp::BIAS));
            p * Avx2(v3, cast(v3.shl_const_u32x8::<23>(exponent)))
        }
    }

    macro_rules! operator {
        ($operator:ident, $method:ident, $instruction:ident) => {
            impl $operator for Avx2 {
                type Output = Self;

                #[inline(always)]
                fn $method(self, other: Self) -> Self {
                    Avx2(self.0, self.0.$instruction(self.1, other.1))
                }
            }
        };
    }

    operator!(Add, add, add_f32s);
    operator!(Sub, sub, sub_f32s);
    operator!(Mul, mul, mul_f32s);
    operator!(Div, div, div_f32s);
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "x86_64")]
    use super::avx2::Avx2;
    use super::*;

    #[test]
    fn f32_gates_agree_with_f64() {
        for step in -200_000..=200_000 {
            let x = step as f32 * 5e-4;
            let (wide, lanes) = (f64::from(x), Portable([x; LANES]));
            let reference = wide.clamp(-80.0, 80.0).exp();
            assert!((f64::from(Real::exp(x)) / reference - 1.0).abs() < 2e-7, "exp({x})");
            assert!((f64::from(tanh((), lanes).0[0]) - wide.tanh()).abs() < 2e-7, "tanh({x})");
            let reference = 1.0 / (1.0 + (-wide).exp());
            assert!((f64::from(sigmoid((), lanes).0[7]) - reference).abs() < 2e-7, "sigmoid({x})");
        }
    }

    #[test]
    fn gates_saturate_and_keep_nan() {
        let at = |x: f32| tanh((), Portable([x; LANES])).0[0];
        assert_eq!((at(f32::INFINITY), at(f32::NEG_INFINITY)), (1.0, -1.0));
        assert!(at(f32::NAN).is_nan());
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn both_implementations_give_the_same_bits() {
        let Some(token) = pulp::x86::V3::try_new() else { return };
        for step in -20_000..20_000 {
            let lanes = Lanes(std::array::from_fn(|lane| (step * 8 + lane as i32) as f32 * 6e-4));
            let (fast, plain) = (Avx2::load(token, &lanes), Portable::load((), &lanes));
            assert_eq!(tanh(token, fast).store(), tanh((), plain).store());
            assert_eq!(sigmoid(token, fast).store(), sigmoid((), plain).store());
            let (fast, plain) = (fast * (fast - fast.exp()), plain * (plain - plain.exp()));
            assert_eq!((fast.store(), fast.sum().to_bits()), (plain.store(), plain.sum().to_bits()));
        }
        let nan = tanh(token, Avx2::splat(token, f32::NAN)).store();
        assert!(nan.0.iter().all(|x| x.is_nan()));
    }
}
