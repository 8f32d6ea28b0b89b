//! Rotary position encoding in the rotate-half form: element i of a head turns with element i + head_dim/2.

use serde_json::Value;

use super::config::refused;
use crate::error::{Result, excerpt};
use crate::tensor::elementwise;

/// How positions turn keys and queries.
#[derive(Clone, Debug, PartialEq)]
pub struct RopeConfig {
    /// Base of the frequencies.
    pub theta: f64,
    /// Change of the frequencies for longer contexts.
    pub scaling: RopeScaling,
}

/// Change of the frequencies for longer contexts.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// None.
    None,
    /// All frequencies divided by a factor.
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// Llama 3.1 and later: low frequencies divided, high ones kept, between them a blend.
    Llama3 {
        /// The divisor.
        factor: f64,
        /// Wavelengths above `original / low` are divided.
        low_freq_factor: f64,
        /// Wavelengths below `original / high` are kept.
        high_freq_factor: f64,
        /// Positions that the model was first trained on.
        original_max_positions: f64,
    },
    /// Divisors of each frequency, [head_dim/2], as GGUF files carry them.
    Factors(Vec<f32>),
}

impl RopeScaling {
    /// Reads `rope_scaling` or `rope_parameters` of a config.json.
    pub(super) fn from_json(value: &Value, max_positions: u64) -> Result<Self> {
        if value.is_null() {
            return Ok(Self::None);
        }
        let kind = value.get("rope_type").or_else(|| value.get("type")).and_then(Value::as_str);
        let number = |key: &str, default: Option<f64>| {
            let found = value.get(key).and_then(Value::as_f64).or(default);
            match found {
                Some(number) if number.is_finite() && number > 0.0 => Ok(number),
                _ => Err(refused(
                    "config.rope_scaling",
                    format!("{key}, a number above 0"),
                    excerpt(&value.to_string()),
                )),
            }
        };
        match kind {
            None | Some("default") => Ok(Self::None),
            Some("linear") => Ok(Self::Linear { factor: number("factor", None)? }),
            Some("llama3") => Ok(Self::Llama3 {
                factor: number("factor", None)?,
                low_freq_factor: number("low_freq_factor", None)?,
                high_freq_factor: number("high_freq_factor", None)?,
                original_max_positions: number(
                    "original_max_position_embeddings",
                    Some(max_positions as f64),
                )?,
            }),
            Some(other) => Err(refused("config.rope_scaling", "default, linear or llama3", excerpt(other))),
        }
    }
}

/// The frequencies of a model.
#[derive(Clone, Debug)]
pub(super) struct Rope {
    /// Radians a position, [head_dim/2].
    frequencies: Vec<f32>,
}

/// Cosine and sine of each position and frequency, [positions, head_dim/2] each.
pub(super) struct Rotation {
    pub(super) cos: Vec<f32>,
    pub(super) sin: Vec<f32>,
    /// head_dim/2.
    pub(super) half: usize,
}

impl Rope {
    pub(super) fn new(config: &RopeConfig, head_dim: usize) -> Self {
        let half = head_dim / 2;
        let frequencies = (0..half).map(|index| {
            // The exponent and the power in f32, as the models were trained.
            let exponent = (2 * index) as f32 / head_dim as f32;
            let frequency = 1.0 / (config.theta as f32).powf(exponent);
            scaled(f64::from(frequency), index, &config.scaling) as f32
        });
        Self { frequencies: frequencies.collect() }
    }

    /// The rotation of `count` positions from `start` on.
    pub(super) fn rotation(&self, start: usize, count: usize) -> Rotation {
        let half = self.frequencies.len();
        let mut rotation =
            Rotation { cos: Vec::with_capacity(count * half), sin: Vec::with_capacity(count * half), half };
        for position in start..start + count {
            for &frequency in &self.frequencies {
                // The angle in f32, as the models were trained; its functions in f64, since f32 ones differ by platform.
                let (sin, cos) = f64::from(position as f32 * frequency).sin_cos();
                rotation.cos.push(cos as f32);
                rotation.sin.push(sin as f32);
            }
        }
        rotation
    }
}

fn scaled(frequency: f64, index: usize, scaling: &RopeScaling) -> f64 {
    match scaling {
        RopeScaling::None => frequency,
        RopeScaling::Linear { factor } => frequency / factor,
        RopeScaling::Factors(factors) => frequency / factors.get(index).copied().map_or(1.0, f64::from),
        RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_positions } => {
            let wavelength = std::f64::consts::TAU / frequency;
            if wavelength > original_max_positions / low_freq_factor {
                frequency / factor
            } else if wavelength < original_max_positions / high_freq_factor {
                frequency
            } else {
                let smooth = (original_max_positions / wavelength - low_freq_factor)
                    / (high_freq_factor - low_freq_factor);
                (1.0 - smooth) * frequency / factor + smooth * frequency
            }
        }
    }
}

impl Rotation {
    /// Turns every head of every row in place: [rows, heads · head_dim], one rotation a row.
    pub(super) fn turn(&self, values: &mut [f32], heads: usize) {
        let half = self.half;
        elementwise::each_row(values, heads * 2 * half, |position, row| {
            let (cos, sin) = (&self.cos[position * half..][..half], &self.sin[position * half..][..half]);
            for head in row.chunks_exact_mut(2 * half) {
                let (low, high) = head.split_at_mut(half);
                for (((low, high), cos), sin) in low.iter_mut().zip(high).zip(cos).zip(sin) {
                    let turned = *low * cos - *high * sin;
                    *high = *high * cos + *low * sin;
                    *low = turned;
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn position_zero_turns_nothing_and_lengths_are_kept() {
        let rope = Rope::new(&RopeConfig { theta: 10_000.0, scaling: RopeScaling::None }, 4);
        let before = [1.0, 2.0, 3.0, 4.0];
        let mut values = [before, before].concat();
        rope.rotation(0, 2).turn(&mut values, 1);
        assert_eq!(values[..4], before);
        // Position 1: elements 0 and 2 turn by one radian.
        let (sin, cos) = 1_f64.sin_cos();
        assert!((f64::from(values[4]) - (cos - 3.0 * sin)).abs() < 1e-6);
        assert!((f64::from(values[6]) - (3.0 * cos + sin)).abs() < 1e-6);
        let length = |values: &[f32]| values.iter().map(|value| value * value).sum::<f32>();
        assert!((length(&values[4..]) - length(&before)).abs() < 1e-4);
    }

    #[test]
    fn llama3_keeps_high_frequencies_and_divides_low_ones() {
        let value = json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192});
        let scaling = RopeScaling::from_json(&value, 131_072).unwrap();
        let plain = Rope::new(&RopeConfig { theta: 500_000.0, scaling: RopeScaling::None }, 128);
        let long = Rope::new(&RopeConfig { theta: 500_000.0, scaling }, 128);
        assert_eq!(plain.frequencies[0], long.frequencies[0]);
        let ratio = plain.frequencies[63] / long.frequencies[63];
        assert!((ratio - 8.0).abs() < 1e-5, "{ratio}");
        assert!(RopeScaling::from_json(&json!({"rope_type": "llama3"}), 1).is_err());
    }
}
