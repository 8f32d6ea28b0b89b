//! The only names of burn that the model is written against. A newer burn is a change of this file.

use burn::tensor::{DType, Float, TensorData, Transaction};

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

/// lhs · rhs, of f32 with all of its digits. burn's kernels for cards hand f32 to the tensor cores, which keep ten bits behind
/// the point of each factor (TF32).
pub(super) fn product<const D: usize>(lhs: Tensor<D>, rhs: Tensor<D>) -> Tensor<D> {
    if lhs.dtype() == DType::F32 && shortens_f32(&lhs.device()) {
        product_in_parts(lhs, rhs)
    } else {
        lhs.matmul(rhs)
    }
}

#[cfg(feature = "cuda")]
fn shortens_f32(device: &BurnDevice) -> bool {
    matches!(device, burn::DispatchDevice::Cuda(_))
}

#[cfg(not(feature = "cuda"))]
fn shortens_f32(_: &BurnDevice) -> bool {
    false
}

/// The product of f32 as three of factors with ten bits behind the point. Only the product of both small parts is left out,
/// which is below the last digit.
fn product_in_parts<const D: usize>(lhs: Tensor<D>, rhs: Tensor<D>) -> Tensor<D> {
    let [left, right] = [parts(lhs), parts(rhs)];
    let small = left[1].clone().matmul(right[0].clone()) + left[0].clone().matmul(right[1].clone());
    left[0].clone().matmul(right[0].clone()) + small
}

/// An f32 as the sum of one with ten bits behind the point and a small rest (Veltkamp's way: the factor pushes the bits
/// that go out of the sum). Each operation is rounded by itself, since burn runs each as a kernel of its own.
fn parts<const D: usize>(whole: Tensor<D>) -> [Tensor<D>; 2] {
    const FACTOR: f32 = ((1 << 13) + 1) as f32;
    let wide = whole.clone().mul_scalar(FACTOR);
    let high = wide.clone() - (wide - whole.clone());
    [high.clone(), whole - high]
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

/// The elements of several tensors on the host, each as it is, in one wait for the device.
pub(super) fn read_all<const D: usize>(
    tensors: impl IntoIterator<Item = Tensor<D>>,
) -> Result<Vec<TensorData>> {
    let all = tensors.into_iter().fold(Transaction::<Backend>::default(), Transaction::register);
    all.try_execute().map_err(|error| engine("the tensors' elements on the host", format!("{error:?}")))
}

/// Returns when the device has done all that it was told.
pub(super) fn wait(device: &BurnDevice) -> Result<()> {
    use burn::tensor::backend::Backend as _;
    Backend::sync(device).map_err(|error| engine("a device that answers", format!("{error:?}")))
}

/// A failure of the engine, which is not the caller's.
pub(super) fn engine(expected: &str, found: String) -> Error {
    Error::new(ErrorClass::EngineUnavailable, "model.engine", expected, found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The large part fits the tensor cores' format, and the parts make up the whole and its products.
        #[test]
        fn parts_make_the_whole(
            (values, shape) in (1usize..6, 1usize..40, 1usize..6).prop_flat_map(|(n, k, m)| {
                (prop::collection::vec(-1e4f32..1e4, n * k + k * m), Just((n, k, m)))
            }),
        ) {
            let (n, k, m) = shape;
            let tensor = |values: &[f32], shape| from_host(values.to_vec(), shape, DataType::Float32, &cpu());
            let (left, right) = (tensor(&values[..n * k], [n, k]), tensor(&values[n * k..], [k, m]));
            let [high, low] = parts(left.clone()).map(|part| to_host(part).unwrap());
            for ((high, low), value) in high.iter().zip(&low).zip(&values) {
                prop_assert_eq!(high + low, *value);
                // 23 bits are stored; the last 13 are free.
                prop_assert_eq!(high.to_bits() & 0x1fff, 0, "{} of {}", high, value);
                prop_assert!(low.abs() <= value.abs() / 1024.0);
            }
            let whole = to_host(left.clone().matmul(right.clone())).unwrap();
            let sizes = to_host(left.clone().abs().matmul(right.clone().abs())).unwrap();
            let made = to_host(product_in_parts(left, right)).unwrap();
            for ((made, whole), size) in made.iter().zip(&whole).zip(&sizes) {
                prop_assert!((made - whole).abs() <= 1e-5 * size, "{} for {}", made, whole);
            }
        }
    }
}
