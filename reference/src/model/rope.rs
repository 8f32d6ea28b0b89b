//! Rotary position encoding in the rotate-half form: element i of a head turns with element i + head_dim/2.

use std::sync::OnceLock;

use serde_json::Value;

use super::backend::{self, BurnDevice, Tensor};
use super::config::refused;
use crate::error::{Result, excerpt};
use crate::tensor::token_panels::TokenPanels;
use crate::wire::DataType;

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
    /// YaRN: frequencies that turn less than `beta_slow` times within the original length divided, those that turn more
    /// than `beta_fast` times kept, between them a blend over the index; rotated keys and queries grow by a factor.
    Yarn {
        /// The divisor.
        factor: f64,
        /// Positions that the model was first trained on.
        original_max_positions: f64,
        /// Turns above which a frequency is kept.
        beta_fast: f64,
        /// Turns below which it is divided.
        beta_slow: f64,
        /// Factor on sine and cosine.
        attention_factor: f64,
        /// Whether the blend begins and ends at whole indices.
        truncate: bool,
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
            Some("yarn") => {
                let set = |key: &str| value.get(key).is_some_and(|value| !value.is_null());
                let factor = number("factor", None)?;
                // The length by which logits of attention grow with the factor, as its authors found.
                let growth = |weight: f64| if factor <= 1.0 { 1.0 } else { 0.1 * weight * factor.ln() + 1.0 };
                let attention_factor = if set("mscale") && set("mscale_all_dim") && !set("attention_factor") {
                    growth(number("mscale", None)?) / growth(number("mscale_all_dim", None)?)
                } else {
                    number("attention_factor", Some(growth(1.0)))?
                };
                Ok(Self::Yarn {
                    factor,
                    original_max_positions: number(
                        "original_max_position_embeddings",
                        Some(max_positions as f64),
                    )?,
                    beta_fast: number("beta_fast", Some(32.0))?,
                    beta_slow: number("beta_slow", Some(1.0))?,
                    attention_factor,
                    truncate: value.get("truncate").and_then(Value::as_bool).unwrap_or(true),
                })
            }
            Some(other) => {
                let expected = "default, linear, llama3 or yarn";
                Err(refused("config.rope_scaling", expected, excerpt(other)))
            }
        }
    }
}

/// The frequencies of a model.
#[derive(Clone, Debug)]
pub(super) struct Rope {
    /// Radians a position, [head_dim/2].
    frequencies: Vec<f32>,
    /// Factor on sine and cosine.
    scale: f32,
}

/// Cosine and sine of each position and frequency, [positions, head_dim/2] each.
pub(super) struct Rotation {
    pub(super) cos: Vec<f32>,
    pub(super) sin: Vec<f32>,
    /// head_dim/2.
    pub(super) half: usize,
    /// Both beside the tokens that they turn: the same for every layer.
    panels: OnceLock<[TokenPanels; 2]>,
    /// The same on a device: brought there once for all layers.
    device: OnceLock<[Tensor<3>; 2]>,
}

impl Rope {
    pub(super) fn new(config: &RopeConfig, head_dim: usize) -> Self {
        let half = head_dim / 2;
        let frequencies = (0..half).map(|index| {
            // The exponent and the power in f32, as the models were trained.
            let exponent = (2 * index) as f32 / head_dim as f32;
            let frequency = 1.0 / (config.theta as f32).powf(exponent);
            scaled(f64::from(frequency), index, head_dim, config) as f32
        });
        let scale = match config.scaling {
            RopeScaling::Yarn { attention_factor, .. } => attention_factor as f32,
            _ => 1.0,
        };
        Self { frequencies: frequencies.collect(), scale }
    }

    /// The rotation of `count` positions from `start` on.
    pub(super) fn rotation(&self, start: usize, count: usize) -> Rotation {
        self.by_angles(start..start + count, self.scale, angle)
    }

    /// What takes a key that was turned to each `from` to where it stands in the sequence. The length of keys stays.
    pub(super) fn moves(&self, from: &[usize]) -> Rotation {
        self.by_angles(0..from.len(), 1.0, |position, frequency| {
            angle(position, frequency) - angle(from[position], frequency)
        })
    }

    fn by_angles(
        &self,
        positions: std::ops::Range<usize>,
        scale: f32,
        angle: impl Fn(usize, f32) -> f64,
    ) -> Rotation {
        let half = self.frequencies.len();
        let numbers = positions.len() * half;
        let mut rotation = Rotation {
            cos: Vec::with_capacity(numbers),
            sin: Vec::with_capacity(numbers),
            half,
            panels: OnceLock::new(),
            device: OnceLock::new(),
        };
        for position in positions {
            for &frequency in &self.frequencies {
                let (sin, cos) = angle(position, frequency).sin_cos();
                rotation.cos.push(cos as f32 * scale);
                rotation.sin.push(sin as f32 * scale);
            }
        }
        rotation
    }
}

/// The angle in f32, as the models were trained; what is computed from it in f64, since f32 functions differ by platform.
fn angle(position: usize, frequency: f32) -> f64 {
    f64::from(position as f32 * frequency)
}

fn scaled(frequency: f64, index: usize, head_dim: usize, config: &RopeConfig) -> f64 {
    match &config.scaling {
        RopeScaling::None => frequency,
        RopeScaling::Linear { factor } => frequency / factor,
        RopeScaling::Factors(factors) => frequency / factors.get(index).copied().map_or(1.0, f64::from),
        RopeScaling::Yarn { factor, original_max_positions, beta_fast, beta_slow, truncate, .. } => {
            let dim = head_dim as f64;
            // The index, not whole, of the frequency that turns so many times within the original length.
            let at = |turns: f64| {
                dim * (original_max_positions / (turns * std::f64::consts::TAU)).ln()
                    / (2.0 * config.theta.ln())
            };
            let (mut low, mut high) = (at(*beta_fast), at(*beta_slow));
            if *truncate {
                (low, high) = (low.floor(), high.ceil());
            }
            let (low, high) = (low.max(0.0), high.min(dim - 1.0));
            let width = if high == low { 0.001 } else { high - low };
            let divided = ((index as f64 - low) / width).clamp(0.0, 1.0);
            frequency / factor * divided + frequency * (1.0 - divided)
        }
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
    /// Cosine and sine in f32, [1, positions, head_dim/2] each.
    pub(super) fn on_device(&self, device: &BurnDevice) -> &[Tensor<3>; 2] {
        self.device.get_or_init(|| {
            [&self.cos, &self.sin].map(|values| {
                let shape = [1, values.len() / self.half, self.half];
                backend::from_host(values.clone(), shape, DataType::Float32, device)
            })
        })
    }

    /// Turns every head of every row in place: [rows, heads · head_dim], one rotation a row. For a few rows: many are turned
    /// in the layout of products.
    pub(super) fn turn(&self, values: &mut [f32], heads: usize) {
        let half = self.half;
        for (position, row) in values.chunks_exact_mut(heads * 2 * half).enumerate() {
            let (cos, sin) = (&self.cos[position * half..][..half], &self.sin[position * half..][..half]);
            for head in row.chunks_exact_mut(2 * half) {
                let (low, high) = head.split_at_mut(half);
                for (((low, high), cos), sin) in low.iter_mut().zip(high).zip(cos).zip(sin) {
                    let turned = *low * cos - *high * sin;
                    *high = *high * cos + *low * sin;
                    *low = turned;
                }
            }
        }
    }

    /// Cosines and sines, [tokens, half] each, in the layout of those tokens.
    pub(super) fn panels(&self, tokens: &TokenPanels) -> [&TokenPanels; 2] {
        let made = || [&self.cos, &self.sin].map(|values| tokens.rows_beside(values, self.half));
        self.panels.get_or_init(made).each_ref()
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
        let mut tokens = TokenPanels::from_rows(&[before, before].concat(), 4);
        let rotation = rope.rotation(0, 2);
        tokens.turn(rotation.panels(&tokens));
        assert_eq!(tokens.into_rows(), values);
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

    #[test]
    fn yarn_divides_what_turns_slowly_and_lengthens_all() {
        let value = json!({"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32_768});
        let scaling = RopeScaling::from_json(&value, 131_072).unwrap();
        let plain = Rope::new(&RopeConfig { theta: 1e6, scaling: RopeScaling::None }, 128);
        let long = Rope::new(&RopeConfig { theta: 1e6, scaling }, 128);
        let ratio = |index: usize| f64::from(plain.frequencies[index] / long.frequencies[index]);
        // 32 turns within the original length at index 23.6, one at 39.7.
        assert!((0..=23).all(|index| (ratio(index) - 1.0).abs() < 1e-6));
        assert!((40..64).all(|index| (ratio(index) - 4.0).abs() < 1e-5));
        assert!((24..40).all(|index| ratio(index) > ratio(index - 1)));
        assert!((f64::from(long.scale) - (0.1 * 4_f64.ln() + 1.0)).abs() < 1e-7);
        assert_eq!(long.rotation(0, 1).cos[0], long.scale);
        let of = |more: Value| {
            let mut value = value.clone();
            value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            RopeScaling::from_json(&value, 1)
        };
        let factor = |more| match of(more) {
            Ok(RopeScaling::Yarn { attention_factor, .. }) => attention_factor,
            other => panic!("{other:?}"),
        };
        assert_eq!(factor(json!({"attention_factor": 2.0, "mscale": 1.0, "mscale_all_dim": 1.0})), 2.0);
        assert_eq!(factor(json!({"mscale": 1.0, "mscale_all_dim": 1.0})), 1.0);
        assert!(of(json!({"factor": null})).is_err() && of(json!({"beta_fast": -1})).is_err());
    }
}
