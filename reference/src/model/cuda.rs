//! Whether a CUDA card can be used here, and if not what is missing (AVP-API-012).
//!
//! burn finds out by a panic in a thread of its own, so everything that it needs is asked for first: the driver's library,
//! a driver that is new enough, the card, and the compiler with its headers that turn burn's kernels into code for the card.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use burn::tensor::TensorData;
use cudarc::driver::{result, sys};

use super::backend::{self, BurnDevice, Tensor};
use crate::error::{Error, ErrorClass, Result};

/// Codes of cuInit that have a next step of their own.
const STUB_LIBRARY: u32 = 34;
const NO_DEVICE: u32 = 100;
const DRIVER_MISMATCH: u32 = 803;
const COMPAT_NOT_SUPPORTED: u32 = 804;

/// What burn takes for signs of a toolkit when CUDA_PATH does not say, first to last, and the folder that each stands for.
const TOOLKITS: [[&str; 2]; 3] =
    [["/usr/local/cuda", "/usr/local/cuda"], ["/opt/cuda", "/opt/cuda"], ["/usr/bin/nvcc", "/usr"]];

/// What the machine has.
#[derive(Clone, Debug)]
struct Facts {
    /// Whether the driver's library is there.
    library: bool,
    /// What its cuInit said, 0 for success.
    init: u32,
    /// The newest CUDA that the driver knows, as 1000 · major + 10 · minor.
    driver: u32,
    /// Cards that this process sees.
    cards: usize,
    /// Whether the run-time compiler is there.
    compiler: bool,
    /// Where the headers should be, and whether they are.
    headers: (PathBuf, bool),
}

impl Facts {
    fn gather() -> Self {
        let folder = header_folder();
        let mut facts = Self {
            // SAFETY: loads the driver's library, whose initialisers are the vendor's and run in any program that uses CUDA.
            library: unsafe { sys::is_culib_present() },
            init: 0,
            driver: 0,
            cards: 0,
            // SAFETY: as above, for the compiler's library.
            compiler: unsafe { cudarc::nvrtc::sys::is_culib_present() },
            headers: (folder.clone(), folder.join("include/cuda_runtime.h").exists()),
        };
        if !facts.library {
            return facts;
        }
        if let Err(error) = result::init() {
            facts.init = error.0 as u32;
        }
        let mut version = 0;
        // SAFETY: writes one int to where it is told; may be called before and after cuInit.
        if unsafe { sys::cuDriverGetVersion(&raw mut version) } == sys::CUresult::CUDA_SUCCESS {
            facts.driver = u32::try_from(version).unwrap_or_default();
        }
        if facts.init == 0 {
            facts.cards =
                result::device::get_count().ok().and_then(|count| count.try_into().ok()).unwrap_or(0);
        }
        facts
    }

    /// Whether the card with that number can be used.
    fn verdict(&self, index: usize) -> Result<()> {
        let missing = |found: String, expected: &str| {
            let expected = format!("{expected}; or --device cpu");
            Err(Error::new(ErrorClass::EngineUnavailable, "device", expected, found))
        };
        if !self.library {
            let next = "NVIDIA's driver (nvidia-smi is part of it), with libcuda.so.1 where ldconfig or LD_LIBRARY_PATH finds it";
            return missing("no library of a driver".to_owned(), next);
        }
        if self.init == 0 && self.driver < sys::CUDA_VERSION {
            let expected = format!(
                "a driver for CUDA {} or later, or a build with CUDARC_CUDA_VERSION={}",
                dotted(sys::CUDA_VERSION),
                self.driver
            );
            return missing(
                format!("a driver that is too old: it is for CUDA {}", dotted(self.driver)),
                &expected,
            );
        }
        match self.init {
            0 if self.cards == 0 => {}
            0 if index >= self.cards => {
                let found = format!("no card {index} among {}", self.cards);
                return missing(found, "cuda:N with the number of a card that nvidia-smi lists");
            }
            0 => {
                if !self.compiler {
                    let next = "CUDA's run-time compiler, libnvrtc.so of a toolkit, where ldconfig or LD_LIBRARY_PATH finds it";
                    return missing("a card, but no libnvrtc".to_owned(), next);
                }
                let (folder, there) = &self.headers;
                if !there {
                    let found = format!("a card, but no include/cuda_runtime.h in {}", folder.display());
                    return missing(found, "CUDA's headers, of a toolkit in CUDA_PATH or /usr/local/cuda");
                }
                return Ok(());
            }
            NO_DEVICE => {}
            STUB_LIBRARY => {
                let next = "the driver's own libcuda.so.1 before the toolkit's stub in LD_LIBRARY_PATH";
                return missing("a toolkit's stub in the place of the driver".to_owned(), next);
            }
            DRIVER_MISMATCH | COMPAT_NOT_SUPPORTED => {
                let found = format!(
                    "a library that the loaded kernel driver does not take (CUDA error {})",
                    self.init
                );
                return missing(
                    found,
                    "library and kernel driver of one release; after an update, a restart",
                );
            }
            code => {
                let next = "a driver that starts: nvidia-smi says what is wrong with it";
                return missing(format!("a driver that does not start (CUDA error {code})"), next);
            }
        }
        let next = "a card that nvidia-smi lists and CUDA_VISIBLE_DEVICES does not hide; in a container, one that was passed in";
        missing("a driver, but no card".to_owned(), next)
    }
}

/// `13.0` for 13000.
fn dotted(version: u32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

/// Where burn will look for CUDA's headers.
fn header_folder() -> PathBuf {
    if let Some(path) = std::env::var_os("CUDA_PATH") {
        return path.into();
    }
    let there = TOOLKITS.into_iter().find(|[sign, _]| Path::new(sign).exists());
    there.unwrap_or(TOOLKITS[0])[1].into()
}

/// Whether the card with that number can be used, as far as can be told without using it.
pub(super) fn usable(index: usize) -> Result<()> {
    static FACTS: OnceLock<Facts> = OnceLock::new();
    FACTS.get_or_init(Facts::gather).verdict(index)
}

/// burn's device for a card, which has computed something already.
pub(super) fn open(index: usize) -> Result<BurnDevice> {
    usable(index)?;
    let device = backend::cuda(index);
    // A kernel that cannot be built or started shows here, and not in the middle of a model.
    let tried = catch_unwind(AssertUnwindSafe(|| {
        let ones = Tensor::<2>::from_data(TensorData::from([[1.0_f32; 2]; 2]), &device);
        backend::to_host(ones.clone().matmul(ones))
    }));
    let found = match tried {
        Ok(Ok(values)) if values == [2.0; 4] => return Ok(device),
        Ok(Ok(values)) => format!("{values:?} for a product that is all twos"),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "a kernel that could not be built or run, see above".to_owned(),
    };
    let expected = "a card that multiplies two matrices; toolkit and driver should be of one CUDA release; or --device cpu";
    Err(Error::new(ErrorClass::EngineUnavailable, "device", expected, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with everything.
    fn whole() -> Facts {
        let headers = ("/usr/local/cuda".into(), true);
        Facts { library: true, init: 0, driver: sys::CUDA_VERSION, cards: 2, compiler: true, headers }
    }

    #[test]
    fn everything_there_is_fine() {
        assert_eq!(whole().verdict(1), Ok(()));
    }

    #[test]
    fn what_is_missing_is_said() {
        let with = |change: fn(&mut Facts)| {
            let mut facts = whole();
            change(&mut facts);
            facts
        };
        let cases = [
            (with(|facts| facts.library = false), "no library of a driver", "libcuda.so.1"),
            (with(|facts| facts.driver = 12040), "for CUDA 12.4", "CUDARC_CUDA_VERSION=12040"),
            (with(|facts| facts.cards = 0), "no card", "CUDA_VISIBLE_DEVICES"),
            (with(|facts| facts.init = NO_DEVICE), "no card", "nvidia-smi"),
            (with(|facts| facts.cards = 1), "no card 1 among 1", "cuda:N"),
            (with(|facts| facts.init = STUB_LIBRARY), "stub", "LD_LIBRARY_PATH"),
            (with(|facts| facts.init = DRIVER_MISMATCH), "803", "one release"),
            (with(|facts| facts.init = 999), "999", "nvidia-smi"),
            (with(|facts| facts.compiler = false), "no libnvrtc", "toolkit"),
            (with(|facts| facts.headers.1 = false), "cuda_runtime.h in /usr/local/cuda", "CUDA_PATH"),
        ];
        for (facts, found, next) in cases {
            let error = facts.verdict(1).unwrap_err();
            assert_eq!((error.class, error.field), (ErrorClass::EngineUnavailable, "device"));
            assert!(error.found.contains(found), "{error}");
            assert!(error.expected.contains(next) && error.expected.ends_with("or --device cpu"), "{error}");
        }
    }
}
