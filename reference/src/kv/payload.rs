//! A KV payload, read in place.

use super::header::{KV_HEADER_LEN, KvHeader, MAX_LAYERS};
use crate::{
    error::{Error, ErrorClass, Result},
    tensor::TensorView,
    wire::{DataType, Diagnostic, DiagnosticCode, Metadata},
};

/// One layer's keys and values, each [num_kv_heads, seq_len, head_dim].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvLayer<'a> {
    /// Keys.
    pub k: TensorView<'a>,
    /// Values.
    pub v: TensorView<'a>,
}

/// A KV payload whose sizes are checked. Tensors are slices of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvPayload<'a> {
    header: KvHeader,
    data: &'a [u8],
    trailing: usize,
}

impl<'a> KvPayload<'a> {
    /// Reads a payload. Bytes behind the last tensor are left alone, see [`KvPayload::trailing`].
    ///
    /// # Errors
    /// `decode` for a bad header, missing tensor bytes or more than [`MAX_LAYERS`] layers (AVP-KV-006 to AVP-KV-008,
    /// AVP-KV-010). Offsets count from the start of the KV payload.
    pub fn parse(payload: &'a [u8]) -> Result<Self> {
        let header = KvHeader::parse(payload)?;
        let rest = &payload[KV_HEADER_LEN..];
        let len = header.data_bytes();
        let data = len.and_then(|len| usize::try_from(len).ok()).and_then(|len| rest.get(..len));
        let Some(data) = data else {
            let expected = len
                .map_or_else(|| "fewer bytes than 2^64".to_owned(), |len| format!("{len} bytes of tensors"));
            let found = format!("{} bytes", rest.len());
            return Err(Error::new(ErrorClass::Decode, "kv.data", expected, found).at(payload.len()));
        };
        if header.num_layers > MAX_LAYERS {
            let expected = format!("at most {MAX_LAYERS}");
            let found = header.num_layers.to_string();
            return Err(Error::new(ErrorClass::Decode, "kv.num_layers", expected, found).at(0));
        }
        Ok(Self { header, data, trailing: rest.len() - data.len() })
    }

    /// Like [`KvPayload::parse`], and refuses bytes behind the last tensor (AVP-KV-009).
    ///
    /// # Errors
    /// Also `decode` for such bytes.
    pub fn parse_strict(payload: &'a [u8]) -> Result<Self> {
        let parsed = Self::parse(payload)?;
        match parsed.trailing_error() {
            Some(error) => Err(error),
            None => Ok(parsed),
        }
    }

    /// The header.
    pub fn header(&self) -> &KvHeader {
        &self.header
    }

    /// Bytes behind the last tensor.
    pub fn trailing(&self) -> usize {
        self.trailing
    }

    /// A layer's tensors.
    pub fn layer(&self, index: usize) -> Option<KvLayer<'a>> {
        if index >= self.header.num_layers as usize {
            return None;
        }
        // The whole data is in memory, so one tensor's size and offset fit `usize`.
        let size = self.header.tensor_bytes()? as usize;
        let (k, v) = self.data.get(2 * index * size..2 * (index + 1) * size)?.split_at(size);
        let shape = self.header.tensor_shape();
        let tensor = |bytes| TensorView::new(self.header.dtype.into(), &shape, bytes).ok();
        Some(KvLayer { k: tensor(k)?, v: tensor(v)? })
    }

    /// All layers in order.
    pub fn layers(&self) -> impl Iterator<Item = KvLayer<'a>> + use<'a> {
        let payload = *self;
        (0..payload.header.num_layers as usize).map_while(move |index| payload.layer(index))
    }

    /// What does not fit the metadata of the message (AVP-KV-015), or follows the tensors (AVP-KV-009). The KV header
    /// is right in each case.
    pub fn diagnose(&self, metadata: &Metadata) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let dtype = DataType::from(self.header.dtype);
        if dtype != metadata.dtype {
            let expected = format!("{}, as the KV header says", dtype.as_str());
            let error = Error::new(ErrorClass::Decode, "metadata.dtype", expected, metadata.dtype.as_str());
            found.push(Diagnostic::new(DiagnosticCode::DtypeMismatch, "AVP-KV-015", error));
        }
        if metadata.num_layers != 0 && metadata.num_layers != self.header.num_layers {
            let expected = format!("{}, as the KV header says", self.header.num_layers);
            let error = Error::new(
                ErrorClass::Decode,
                "metadata.num_layers",
                expected,
                metadata.num_layers.to_string(),
            );
            found.push(Diagnostic::new(DiagnosticCode::LayersMismatch, "AVP-KV-015", error));
        }
        if let Some(error) = self.trailing_error() {
            found.push(Diagnostic::new(DiagnosticCode::TrailingBytes, "AVP-KV-009", error));
        }
        found
    }

    fn trailing_error(&self) -> Option<Error> {
        let found = format!("{} more bytes", self.trailing);
        let error = Error::new(ErrorClass::Decode, "kv.data", "nothing behind the last tensor", found);
        (self.trailing > 0).then(|| error.at(KV_HEADER_LEN + self.data.len()))
    }
}
