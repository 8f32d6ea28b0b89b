//! Dialect 0.2: what `unpack` takes, told apart by the first bytes (AVP-JSON-010).

use serde_json::Value;

use super::fallback::MAX_TEXT_MESSAGE_BYTES;
use super::fields::parse;
use crate::error::{Error, ErrorClass, Result};

/// What packed data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PackedFormat {
    /// A binary message.
    Binary,
    /// JSON: an envelope or a text message.
    Json,
    /// Plain text.
    Text,
}

impl PackedFormat {
    /// Looks at the first bytes: `AV` is binary, `{` behind any white space is JSON, other UTF-8 is text.
    ///
    /// # Errors
    /// `decode` when it is none of these.
    pub fn detect(data: &[u8]) -> Result<Self> {
        if data.starts_with(b"AV") {
            return Ok(Self::Binary);
        }
        let text = std::str::from_utf8(data).map_err(|error| {
            Error::new(ErrorClass::Decode, "packed", "a binary message or text in UTF-8", "neither")
                .at(error.valid_up_to())
        })?;
        Ok(if text.trim_start().starts_with('{') { Self::Json } else { Self::Text })
    }

    /// `binary`, `json` or `text`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Json => "json",
            Self::Text => "text",
        }
    }
}

/// The text in packed data that is not binary. An envelope (`{"avp": …, "content": …}`) and a text message give their
/// content; everything else is its own text.
///
/// # Errors
/// `decode` when the data is binary or no UTF-8, or an envelope's content is no string; `limit_exceeded` when it is
/// longer than [`MAX_TEXT_MESSAGE_BYTES`].
pub fn unpack_text(data: &[u8]) -> Result<String> {
    let plain = || {
        std::str::from_utf8(data)
            .map(str::to_owned)
            .map_err(|error| Error::new(ErrorClass::Decode, "packed", "text in UTF-8", error.to_string()))
    };
    if data.len() > MAX_TEXT_MESSAGE_BYTES {
        let expected = format!("at most {MAX_TEXT_MESSAGE_BYTES} bytes");
        return Err(Error::new(
            ErrorClass::LimitExceeded,
            "packed",
            expected,
            format!("{} bytes", data.len()),
        ));
    }
    match PackedFormat::detect(data)? {
        PackedFormat::Binary => Err(Error::new(ErrorClass::Decode, "packed", "text", "a binary message")),
        PackedFormat::Text => plain(),
        PackedFormat::Json => match parse(data, MAX_TEXT_MESSAGE_BYTES, ErrorClass::Decode, "packed") {
            Ok(Value::Object(object)) if object.contains_key("avp") || object.contains_key("avp_version") => {
                match object.get("content") {
                    None => Ok(String::new()),
                    Some(Value::String(content)) => Ok(content.clone()),
                    Some(_) => {
                        Err(Error::new(ErrorClass::Decode, "packed.content", "a string", "another type"))
                    }
                }
            }
            _ => plain(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_told_apart() {
        for (data, format) in [
            (&b"AV\x01"[..], PackedFormat::Binary),
            (b" \n{\"avp\":\"0.2\"}", PackedFormat::Json),
            ("é".as_bytes(), PackedFormat::Text),
            (b"", PackedFormat::Text),
            (b"A", PackedFormat::Text),
        ] {
            assert_eq!(PackedFormat::detect(data).unwrap(), format);
        }
        let error = PackedFormat::detect(b"ab\xff").unwrap_err();
        assert_eq!((error.class, error.offset), (ErrorClass::Decode, Some(2)));
    }

    #[test]
    fn envelopes_give_their_content() {
        assert_eq!(unpack_text(br#"{"avp":"0.2","content":"hi"}"#).unwrap(), "hi");
        assert_eq!(unpack_text(br#"{"avp_version":"0.2.0","content":"hi"}"#).unwrap(), "hi");
        assert_eq!(unpack_text(br#"{"other":1}"#).unwrap(), r#"{"other":1}"#);
        assert_eq!(unpack_text(b"{not json").unwrap(), "{not json");
        assert_eq!(unpack_text(b"plain").unwrap(), "plain");
        for data in [&b"AV\x01"[..], b"\xff", br#"{"avp":"0.2","content":5}"#] {
            assert_eq!(unpack_text(data).unwrap_err().class, ErrorClass::Decode);
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(data: Vec<u8>) {
            let _ = PackedFormat::detect(&data);
            let _ = unpack_text(&data);
        }
    }
}
