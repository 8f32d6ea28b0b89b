//! Where a model runs and in which element type (AVP-API-012).

use std::fmt;
use std::str::FromStr;

use super::backend;
#[cfg(feature = "cuda")]
use super::cuda::{self, usable};
use crate::error::{Error, ErrorClass, Result, excerpt};
use crate::wire::DataType;

/// Where a model runs.
#[allow(
    clippy::manual_non_exhaustive,
    reason = "the hidden one is for tests and is computed on like the others"
)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Device {
    /// CUDA where a card answers, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA card with that number.
    Cuda(usize),
    /// The code that runs on cards, on burn's CPU backend: for tests and rehearsals where there is no card.
    #[doc(hidden)]
    Rehearsal,
}

impl Device {
    /// The device that `Auto` stands for on this machine; of another, the device itself.
    #[must_use]
    pub fn resolved(self) -> Self {
        match self {
            Self::Auto if usable(0).is_ok() => Self::Cuda(0),
            Self::Auto => Self::Cpu,
            other => other,
        }
    }

    /// The element type that `--dtype auto` stands for: bf16 on CUDA, f32 on the CPU.
    #[must_use]
    pub fn preferred_dtype(self) -> DataType {
        match self.resolved() {
            Self::Cuda(_) => DataType::BFloat16,
            _ => DataType::Float32,
        }
    }

    /// burn's device, for what is built on burn beside this crate.
    ///
    /// # Errors
    /// `engine_unavailable` when CUDA was asked for and is not there, or not compiled in; what is missing and the next step
    /// are in it.
    pub fn open(self) -> Result<burn::DispatchDevice> {
        match self.resolved() {
            #[cfg(feature = "cuda")]
            Self::Cuda(index) => cuda::open(index),
            #[cfg(not(feature = "cuda"))]
            Self::Cuda(index) => usable(index).map(|()| backend::cpu()),
            _ => Ok(backend::cpu()),
        }
    }
}

#[cfg(not(feature = "cuda"))]
fn usable(_index: usize) -> Result<()> {
    Err(Error::new(
        ErrorClass::EngineUnavailable,
        "device",
        "cpu, or a build with the feature cuda",
        "cuda in a build without it",
    ))
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            "rehearsal" => Ok(Self::Rehearsal),
            _ => text.strip_prefix("cuda:").and_then(|index| index.parse().ok()).map(Self::Cuda).ok_or_else(
                || {
                    let expected = "auto, cpu, cuda or cuda:N";
                    Error::new(ErrorClass::Configuration, "device", expected, excerpt(text))
                },
            ),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::Rehearsal => f.write_str("rehearsal"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        for (name, device) in [
            ("auto", Device::Auto),
            ("cpu", Device::Cpu),
            ("cuda", Device::Cuda(0)),
            ("cuda:3", Device::Cuda(3)),
            ("rehearsal", Device::Rehearsal),
        ] {
            assert_eq!(name.parse::<Device>().unwrap(), device);
            assert_eq!(device.to_string().parse::<Device>().unwrap(), device);
        }
        for name in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "mps"] {
            let error = name.parse::<Device>().unwrap_err();
            assert_eq!(error.class, ErrorClass::Configuration, "{name}");
        }
    }

    #[test]
    fn the_cpu_computes_in_f32() {
        assert_eq!(Device::Cpu.preferred_dtype(), DataType::Float32);
        assert_eq!(Device::Cuda(0).preferred_dtype(), DataType::BFloat16);
    }

    #[cfg(feature = "cuda")]
    #[test]
    fn no_card_is_an_error_and_no_panic() {
        match usable(0) {
            Ok(()) => assert!(Device::Cuda(0).open().is_ok()),
            Err(_) => {
                assert_eq!(Device::Auto.resolved(), Device::Cpu);
                assert_eq!(Device::Cuda(0).open().unwrap_err().class, ErrorClass::EngineUnavailable);
            }
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn cuda_that_was_not_compiled_in_is_an_error() {
        assert_eq!(Device::Auto.resolved(), Device::Cpu);
        assert_eq!(Device::Cuda(0).open().unwrap_err().class, ErrorClass::EngineUnavailable);
    }
}
