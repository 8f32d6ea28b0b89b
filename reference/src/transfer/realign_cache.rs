//! Realignment matrices on disk, one file a model.
//!
//! A file is an AVP message whose payload is W as float32, so it has a checksum, says its own shape, and `avp inspect`
//! shows it. What goes with W stands in `extra`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::cache_folder::{self, check_hash, unusable};
use super::realign::Realignment;
use crate::error::{Error, ErrorClass, Result, excerpt};
use crate::tensor::{decode_f32, encode_f32};
use crate::wire::{Decoder, Dialect, Encoder, Limits, Metadata, Mode, PayloadType};
use crate::{DataType, TensorView};

/// Its name under the root of all caches (AVP-RLN-016).
const FOLDER: &str = "realign";
/// Keys in `extra`.
const MODEL_HASH: &str = "model_hash";
const TARGET_NORM: &str = "avp.realign.target_norm";
const LAMBDA: &str = "avp.realign.lambda";

/// Bytes beside the matrix that a file may have: header and metadata take under 500.
const MAX_HEAD: u64 = 16 << 10;

/// A folder with realignment matrices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealignCache {
    folder: PathBuf,
}

/// Where a realignment comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// From its file; nothing was computed.
    Disk,
    /// Computed and kept: there was no file, or one for another λ.
    Computed,
    /// Computed and kept in place of a file that could not be used, for this reason.
    Replaced(Error),
    /// Computed, and not kept for this reason: it will be computed again.
    NotKept(Error),
}

impl RealignCache {
    /// The cache of this user: `realign` under `$AVP_CACHE_DIR`, or under `~/.avp` where that is unset or empty
    /// (AVP-RLN-016).
    ///
    /// # Errors
    /// `configuration` when there is neither.
    pub fn from_env() -> Result<Self> {
        Ok(Self { folder: cache_folder::from_env()?.join(FOLDER) })
    }

    /// As [`from_env`](Self::from_env), for this value of the variable and this home folder.
    ///
    /// # Errors
    /// As there.
    pub fn located(variable: Option<OsString>, home: Option<PathBuf>) -> Result<Self> {
        Ok(Self { folder: cache_folder::located(variable, home)?.join(FOLDER) })
    }

    /// The file of a model.
    ///
    /// # Errors
    /// `invalid_argument` for a hash that is not lowercase hex digits: it becomes a file's name, and it may come from a
    /// peer.
    pub fn path(&self, model_hash: &str) -> Result<PathBuf> {
        check_hash("model_hash", model_hash)?;
        Ok(self.folder.join(format!("{model_hash}.avp")))
    }

    /// The realignment of a model with hidden states of `dim` values; `None` when there is no file, or one for another λ.
    ///
    /// # Errors
    /// As [`path`](Self::path); `decode` or one of its kinds for a damaged file or one that is not of this model;
    /// `configuration` for one that can't be read.
    pub fn load(&self, model_hash: &str, dim: usize, lambda: f64) -> Result<Option<Realignment>> {
        let path = self.path(model_hash)?;
        let Some(bytes) = read_bounded(&path, dim)? else { return Ok(None) };
        let found = parse(&bytes, model_hash, dim)?;
        Ok((found.lambda == lambda).then_some(found))
    }

    /// Keeps the realignment of a model. Whoever reads at the same time sees the old file or the new one, whole.
    ///
    /// # Errors
    /// As [`path`](Self::path); `configuration` when the file can't be written; `invalid_argument` for a matrix that is
    /// not square.
    pub fn store(&self, model_hash: &str, realignment: &Realignment) -> Result<()> {
        let path = self.path(model_hash)?;
        let bytes = to_bytes(model_hash, realignment)?;
        cache_folder::write_whole(&path, |file| file.write_all(&bytes))
            .map_err(|error| unusable(&path, &error))
    }

    /// The realignment of a model: from its file, else made and kept (AVP-RLN-015).
    ///
    /// A damaged file is replaced, and a file that can't be written is no reason to fail: W can be made again. Both are
    /// told in the [`Origin`], for whoever called to show.
    ///
    /// # Errors
    /// As [`path`](Self::path), and what `make` refuses.
    pub fn load_or_make(
        &self,
        model_hash: &str,
        dim: usize,
        lambda: f64,
        make: impl FnOnce() -> Result<Realignment>,
    ) -> Result<(Realignment, Origin)> {
        self.path(model_hash)?;
        let kept = match self.load(model_hash, dim, lambda) {
            Ok(Some(found)) => return Ok((found, Origin::Disk)),
            Ok(None) => Origin::Computed,
            Err(error) => Origin::Replaced(error),
        };
        let made = make()?;
        let origin = self.store(model_hash, &made).map_or_else(Origin::NotKept, |()| kept);
        Ok((made, origin))
    }
}

fn to_bytes(model_hash: &str, realignment: &Realignment) -> Result<Vec<u8>> {
    let dim = u32::try_from(realignment.dim)
        .ok()
        .filter(|_| realignment.dim.checked_mul(realignment.dim) == Some(realignment.w.len()));
    let Some(dim) = dim else {
        let found = format!("{} values for dimension {}", realignment.w.len(), realignment.dim);
        return Err(Error::new(ErrorClass::InvalidArgument, "w", "a square matrix", found));
    };
    let metadata = Metadata {
        hidden_dim: dim,
        payload_type: PayloadType::HiddenState,
        dtype: DataType::Float32,
        tensor_shape: vec![dim, dim],
        mode: Mode::Latent,
        // Rust writes the shortest text that reads back as the same number.
        extra: BTreeMap::from([
            (MODEL_HASH.to_owned(), model_hash.to_owned()),
            (TARGET_NORM.to_owned(), realignment.target_norm.to_string()),
            (LAMBDA.to_owned(), realignment.lambda.to_string()),
        ]),
        ..Metadata::default()
    };
    Encoder::new().checksum(true).encode(&metadata, &encode_f32(&realignment.w, DataType::Float32)?)
}

fn parse(bytes: &[u8], model_hash: &str, dim: usize) -> Result<Realignment> {
    let len = bytes.len() as u64;
    let limits = Limits { max_message: len, max_payload: len, ..Limits::default() };
    let message = Decoder::new().dialect(Dialect::V04).limits(limits).strict(true).decode(bytes)?;
    let metadata = &message.metadata;
    let wrong =
        |field, expected: String, found: String| Error::new(ErrorClass::Decode, field, expected, found);
    let text = |key: &str| metadata.extra.get(key).map_or("", String::as_str);
    if metadata.payload_checksum.is_none() {
        return Err(wrong("metadata.payload_checksum", "a checksum".to_owned(), "none".to_owned()));
    }
    if text(MODEL_HASH) != model_hash {
        return Err(wrong("metadata.extra", format!("model_hash {model_hash}"), excerpt(text(MODEL_HASH))));
    }
    let tensor = TensorView::of_message(&message)?;
    if (tensor.dtype(), tensor.shape()) != (DataType::Float32, &[dim as u64, dim as u64][..]) {
        let found = format!("{} {:?}", tensor.dtype().as_str(), tensor.shape());
        return Err(wrong("metadata.tensor_shape", format!("FLOAT32 [{dim}, {dim}]"), found));
    }
    let number = |key| match text(key).parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err(wrong("metadata.extra", format!("a number in {key}"), excerpt(text(key)))),
    };
    let (lambda, target_norm) = (number(LAMBDA)?, number(TARGET_NORM)? as f32);
    let w = decode_f32(&tensor);
    if !target_norm.is_finite() || w.iter().any(|value| !value.is_finite()) {
        return Err(wrong("payload", "finite values".to_owned(), "others".to_owned()));
    }
    Ok(Realignment { w, dim, target_norm, lambda })
}

/// A file's bytes when it is there and no longer than a matrix of `dim` rows makes it.
fn read_bounded(path: &Path, dim: usize) -> Result<Option<Vec<u8>>> {
    let limit = (dim as u64).saturating_mul(dim as u64).saturating_mul(4).saturating_add(MAX_HEAD);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(path, &error)),
    };
    let mut bytes = Vec::new();
    // One byte more than the limit tells that there are more; what the file claims to hold allocates nothing.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| unusable(path, &error))?;
    if bytes.len() as u64 > limit {
        let expected = format!("at most {limit} bytes for {dim} × {dim} values");
        return Err(Error::new(ErrorClass::LimitExceeded, "cache", expected, "more"));
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::transfer::DEFAULT_LAMBDA;

    const HASH: &str = "0123456789abcdef";

    fn sample() -> Realignment {
        let w = vec![1.5, -0.25, 1e-30, 3.0];
        Realignment { w, dim: 2, target_norm: 0.1, lambda: DEFAULT_LAMBDA }
    }

    fn cache(folder: &tempfile::TempDir) -> RealignCache {
        RealignCache::located(Some(folder.path().into()), None).unwrap()
    }

    fn never() -> Result<Realignment> {
        panic!("computed although the file is there")
    }

    #[test]
    fn the_second_call_reads_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(&folder);
        let call =
            |make: fn() -> Result<Realignment>| cache.load_or_make(HASH, 2, DEFAULT_LAMBDA, make).unwrap();
        assert_eq!(call(|| Ok(sample())), (sample(), Origin::Computed));
        assert_eq!(call(never), (sample(), Origin::Disk));
        // Nothing else lies there: the file beside has become the file.
        let names: Vec<_> =
            fs::read_dir(folder.path().join("realign")).unwrap().map(|f| f.unwrap().file_name()).collect();
        assert_eq!(names, [format!("{HASH}.avp").as_str()]);
    }

    #[test]
    fn another_lambda_and_another_model_are_computed_anew() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(&folder);
        cache.store(HASH, &sample()).unwrap();
        assert_eq!(cache.load(HASH, 2, 0.5).unwrap(), None);
        assert_eq!(cache.load("ff", 2, DEFAULT_LAMBDA).unwrap(), None);
        // A file under another model's name is not its own.
        fs::copy(cache.path(HASH).unwrap(), cache.path("ff").unwrap()).unwrap();
        assert_eq!(cache.load("ff", 2, DEFAULT_LAMBDA).unwrap_err().class, ErrorClass::Decode);
        assert_eq!(cache.load(HASH, 3, DEFAULT_LAMBDA).unwrap_err().class, ErrorClass::Decode);
    }

    #[test]
    fn a_damaged_file_is_replaced_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(&folder);
        cache.store(HASH, &sample()).unwrap();
        let path = cache.path(HASH).unwrap();
        let whole = fs::read(&path).unwrap();
        for bytes in [&whole[..whole.len() - 1], b"", &[0; 20_000]] {
            fs::write(&path, bytes).unwrap();
            let (made, origin) = cache.load_or_make(HASH, 2, DEFAULT_LAMBDA, || Ok(sample())).unwrap();
            assert!(matches!(origin, Origin::Replaced(_)), "{origin:?}");
            assert_eq!(cache.load(HASH, 2, DEFAULT_LAMBDA).unwrap(), Some(made));
        }
    }

    #[test]
    fn a_cache_that_cannot_be_written_fails_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("realign"), "a file where the folder should be").unwrap();
        let (made, origin) = cache(&folder).load_or_make(HASH, 2, DEFAULT_LAMBDA, || Ok(sample())).unwrap();
        assert_eq!(made, sample());
        assert!(matches!(origin, Origin::NotKept(_)), "{origin:?}");
    }

    #[test]
    fn a_hash_leaves_the_folder_on_no_way() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(&folder);
        for hash in ["", "../ff", "/ff", "ABC", "a/b", "a.b", "a\0", "sha256:ff", &"a".repeat(129)] {
            assert_eq!(cache.path(hash).unwrap_err().class, ErrorClass::InvalidArgument, "{hash:?}");
            let refused = cache.load_or_make(hash, 2, DEFAULT_LAMBDA, never);
            assert_eq!(refused.unwrap_err().class, ErrorClass::InvalidArgument);
        }
    }

    #[test]
    fn the_root_is_the_variable_or_lies_at_home() {
        let folder = |variable: Option<&str>, home: Option<&str>| {
            RealignCache::located(variable.map(OsString::from), home.map(PathBuf::from))
                .map(|cache| cache.folder)
        };
        assert_eq!(folder(Some("c"), Some("h")).unwrap(), Path::new("c").join("realign"));
        assert_eq!(folder(None, Some("h")).unwrap(), Path::new("h").join(".avp").join("realign"));
        assert_eq!(folder(Some(""), Some("h")).unwrap(), Path::new("h").join(".avp").join("realign"));
        assert_eq!(folder(None, None).unwrap_err().class, ErrorClass::Configuration);
    }

    proptest! {
        #[test]
        fn no_damage_to_the_matrix_goes_unnoticed(
            at in any::<prop::sample::Index>(), mask in 1u8..=255, cut in any::<prop::sample::Index>(),
        ) {
            let whole = to_bytes(HASH, &sample()).unwrap();
            prop_assert_eq!(parse(&whole, HASH, 2).unwrap(), sample());
            let mut bytes = whole.clone();
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
            // A changed name or number in the metadata has no checksum; the matrix has, and its shape is known.
            if let Ok(found) = parse(&bytes, HASH, 2) {
                prop_assert_eq!((found.w, found.dim), (sample().w, 2));
            }
            prop_assert!(parse(&whole[..cut.index(whole.len())], HASH, 2).is_err());
        }

        #[test]
        fn any_bytes_are_an_error_or_a_matrix(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes, HASH, 2);
        }
    }
}
