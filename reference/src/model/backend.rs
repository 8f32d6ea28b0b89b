//! The only names of burn that the model is written against. A newer burn is a change of this file.

use burn::tensor::{DType, Float, TensorData};

use crate::error::{Error, ErrorClass, Result};
use crate::wire::DataType;

/// The backend that chooses among the compiled ones at run time.
pub(super) type Backend = burn::Dispatch;
/// A tensor on any device.
pub(super) type Tensor<const D: usize, K = Float> = burn::tensor::Tensor<Backend, D, K>;
/// Where a tensor lives.
pub(super) type BurnDevice = burn::tensor::Device<Backend>;

/// burn's name of an element type.
pub(super) fn dtype(element: DataType) -> DType {
    match element {
        DataType::Float16 => DType::F16,
        DataType::BFloat16 => DType::BF16,
        // Models compute in floating point; other types are refused when the model is loaded.
        _ => DType::F32,
    }
}

/// The CPU, with burn's flex backend.
pub(super) fn cpu() -> BurnDevice {
    burn::DispatchDevice::Flex(Default::default())
}

/// The CUDA card with that number.
#[cfg(feature = "cuda")]
pub(super) fn cuda(index: usize) -> BurnDevice {
    burn::DispatchDevice::Cuda(burn::backend::cuda::CudaDevice::new(index))
}

/// A tensor's elements as f32 in row-major order, on the host.
pub(super) fn to_host<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let data = tensor
        .try_into_data()
        .map_err(|error| engine("the tensor's elements on the host", format!("{error:?}")))?;
    data.convert_dtype(DType::F32)
        .into_vec::<f32>()
        .map_err(|error| engine("elements of 32 bits", format!("{error:?}")))
}

/// Row-major f32 elements as a tensor of an element type on a device. Elements are moved, not copied, to the CPU.
pub(super) fn from_host<const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    element: DataType,
    device: &BurnDevice,
) -> Tensor<D> {
    let data = TensorData::new(values, shape);
    Tensor::from_data(data, (device, dtype(element)))
}

/// A failure of the engine, which is not the caller's.
pub(super) fn engine(expected: &str, found: String) -> Error {
    Error::new(ErrorClass::EngineUnavailable, "model.engine", expected, found)
}
