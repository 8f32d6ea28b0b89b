//! Weights as a safetensors file.

use serde_json::{Map, Value, json};

/// A tensor of float32 under its name.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightTensor {
    /// As Hugging Face's models call it, e.g. `model.embed_tokens.weight`.
    pub name: String,
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Vec<f32>,
}

/// The file: the length of a JSON header as u64, the header, then the tensors' bytes, little-endian and in order.
pub fn safetensors(tensors: &[WeightTensor]) -> Vec<u8> {
    let (mut header, mut data) = (Map::new(), Vec::new());
    for tensor in tensors {
        let start = data.len();
        data.extend(tensor.values.iter().flat_map(|value| value.to_le_bytes()));
        let entry = json!({"dtype": "F32", "shape": tensor.shape, "data_offsets": [start, data.len()]});
        header.insert(tensor.name.clone(), entry);
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    // Readers map tensors in place, so that data begins where a float may.
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.extend(data);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_length_header_data() {
        let one = |name: &str, values: &[f32]| WeightTensor {
            name: name.to_owned(),
            shape: vec![values.len()],
            values: values.to_vec(),
        };
        let file = safetensors(&[one("a", &[1.0, -2.0]), one("b", &[0.5])]);
        let header = concat!(
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"#,
            r#""b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}"#
        );
        let len = header.len().next_multiple_of(8);
        assert_eq!(file[..8], (len as u64).to_le_bytes());
        assert_eq!(String::from_utf8_lossy(&file[8..8 + len]).trim_end(), header);
        assert_eq!(file[8 + len..], [0, 0, 128, 63, 0, 0, 0, 192, 0, 0, 0, 63]);
    }
}
