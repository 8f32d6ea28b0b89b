//! What thinking, generating and transferring took (AVP-MET-001, 002, 008, 009). Durations are seconds of wall-clock time.
//!
//! The field names are those of SDK 0.6.2, and beside them the durations that the published text names and the SDK does
//! not have. [`PackMetrics`], [`UnpackMetrics`] and [`HandshakeMetrics`] are what dialect 0.2 reported.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::diagnostics::TransferDiagnostics;
use crate::error::Result;
use crate::session::Resolution;
use crate::session::envelope::PackedFormat;
use crate::wire::{Decoder, Encoder, Metadata};

/// One call of `think`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ThinkMetrics {
    /// The model.
    pub model: Option<String>,
    /// Latent steps that were asked for.
    pub steps: u64,
    /// Whether it went on from a context.
    pub has_prior_context: bool,
    /// All of it.
    pub duration_s: f64,
    /// Of this, finding out what the model is.
    pub identity_duration_s: f64,
    /// Of this, the model's work.
    pub think_duration_s: f64,
    /// When they were asked for.
    pub diagnostics: Option<TransferDiagnostics>,
}

/// One call of `generate`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GenerateMetrics {
    /// The model.
    pub model: Option<String>,
    /// Latent steps that were asked for.
    pub steps: u64,
    /// Whether it went on from a context.
    pub has_prior_context: bool,
    /// Whether the context went into a store.
    pub stored: bool,
    /// All of it.
    pub duration_s: f64,
    /// Of this, reading a context out of its message.
    pub decode_duration_s: f64,
    /// Of this, thinking.
    pub think_duration_s: f64,
    /// Of this, writing text.
    pub generate_duration_s: f64,
    /// When they were asked for.
    pub diagnostics: Option<TransferDiagnostics>,
}

/// One resolution of a handshake (0.2).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HandshakeMetrics {
    /// The rule that decided, e.g. `hash_match`.
    pub resolution_path: String,
    /// `LATENT` or `JSON`.
    pub mode: String,
    /// Which map the sender applies. Empty when none.
    pub avp_map_id: String,
    /// All of it.
    pub duration_s: f64,
}

impl HandshakeMetrics {
    /// Of a resolution that took so long.
    pub fn of(resolution: &Resolution, took: Duration) -> Self {
        Self {
            resolution_path: resolution.path.as_str().to_owned(),
            mode: resolution.mode.as_str().to_owned(),
            avp_map_id: resolution.avp_map_id.clone(),
            duration_s: took.as_secs_f64(),
        }
    }
}

/// What the call `pack` of 0.2 reported. It has gone; a host that still logs under these names fills them from
/// what took its place.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PackMetrics {
    /// What the message carries: 0 text, 1 an identity too, 2 latent state too.
    pub layer: u8,
    /// The model.
    pub model: Option<String>,
    /// Latent steps that were asked for.
    pub think_steps: u64,
    /// Whether it went on from a context.
    pub has_prior_context: bool,
    /// All of it.
    pub duration_s: f64,
    /// Of this, finding out what the model is.
    pub identity_duration_s: f64,
    /// Of this, thinking.
    pub think_duration_s: f64,
}

impl From<&ThinkMetrics> for PackMetrics {
    fn from(think: &ThinkMetrics) -> Self {
        let layer = match (&think.model, think.steps) {
            (None, _) => 0,
            (Some(_), 0) => 1,
            (Some(_), _) => 2,
        };
        Self {
            layer,
            model: think.model.clone(),
            think_steps: think.steps,
            has_prior_context: think.has_prior_context,
            duration_s: think.duration_s,
            identity_duration_s: think.identity_duration_s,
            think_duration_s: think.think_duration_s,
        }
    }
}

/// What the call `unpack` of 0.2 reported; see [`PackMetrics`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct UnpackMetrics {
    /// `binary`, `json` or `text`.
    pub input_format: String,
    /// Whether there was latent state in it.
    pub has_context: bool,
    /// Whether text was generated from it.
    pub generated: bool,
    /// All of it.
    pub duration_s: f64,
    /// Of this, reading the message.
    pub decode_duration_s: f64,
    /// Of this, writing text.
    pub generate_duration_s: f64,
}

impl UnpackMetrics {
    /// Of a message in that form, and of what was generated from it.
    pub fn of(format: PackedFormat, generate: &GenerateMetrics) -> Self {
        Self {
            input_format: format.as_str().to_owned(),
            has_context: generate.has_prior_context,
            generated: generate.generate_duration_s > 0.0,
            duration_s: generate.duration_s,
            decode_duration_s: generate.decode_duration_s,
            generate_duration_s: generate.generate_duration_s,
        }
    }
}

/// What one message costs: the numbers of a transfer benchmark's table (AVP-MET-009).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct CodecTimings {
    /// Writing it.
    pub encode_s: f64,
    /// Reading it.
    pub decode_s: f64,
    /// Its length.
    pub message_bytes: u64,
}

impl CodecTimings {
    /// Writes and reads one message under the machine's clock.
    ///
    /// # Errors
    /// What [`Encoder::encode`] and [`Decoder::decode`] refuse.
    pub fn measure(
        encoder: &Encoder,
        decoder: &Decoder,
        metadata: &Metadata,
        payload: &[u8],
    ) -> Result<Self> {
        let start = Instant::now();
        let message = encoder.encode(metadata, payload)?;
        let encoded = Instant::now();
        let read = decoder.decode(&message)?;
        let decode_s = encoded.elapsed().as_secs_f64();
        drop(read);
        Ok(Self { encode_s: (encoded - start).as_secs_f64(), decode_s, message_bytes: message.len() as u64 })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::session::{ModelIdentity, resolve};

    #[test]
    fn old_names_are_filled_from_the_new_ones() {
        let mut think = ThinkMetrics {
            model: Some("m".into()),
            steps: 20,
            has_prior_context: true,
            duration_s: 3.0,
            identity_duration_s: 0.5,
            think_duration_s: 2.0,
            diagnostics: None,
        };
        let pack = serde_json::to_value(PackMetrics::from(&think)).unwrap();
        let expected = json!({"layer": 2, "model": "m", "think_steps": 20, "has_prior_context": true,
            "duration_s": 3.0, "identity_duration_s": 0.5, "think_duration_s": 2.0});
        assert_eq!(pack, expected);
        think.steps = 0;
        assert_eq!(PackMetrics::from(&think).layer, 1);
        think.model = None;
        assert_eq!(PackMetrics::from(&think).layer, 0);
        let generate = GenerateMetrics { generate_duration_s: 1.0, duration_s: 2.0, ..Default::default() };
        let unpack = UnpackMetrics::of(PackedFormat::Json, &generate);
        assert_eq!((unpack.input_format.as_str(), unpack.generated), ("json", true));
    }

    #[test]
    fn of_a_handshake() {
        let identity = ModelIdentity { model_hash: "ab".repeat(32), ..Default::default() };
        let resolution = resolve(&identity, &identity, &(), None).unwrap();
        let metrics = HandshakeMetrics::of(&resolution, Duration::from_millis(250));
        assert_eq!((metrics.resolution_path.as_str(), metrics.mode.as_str()), ("hash_match", "LATENT"));
        assert_eq!(metrics.duration_s, 0.25);
    }

    #[test]
    fn the_codec_is_timed() {
        let metadata = Metadata { tensor_shape: vec![1024], ..Metadata::default() };
        let timings = CodecTimings::measure(&Encoder::new(), &Decoder::new(), &metadata, &[0; 4096]).unwrap();
        assert!(timings.encode_s > 0.0 && timings.decode_s > 0.0);
        assert!((4096 + 12..4200).contains(&timings.message_bytes), "{timings:?}");
    }
}
