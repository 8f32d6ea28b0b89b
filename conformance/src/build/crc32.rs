//! CRC-32 as in IEEE 802.3 and zlib: reflected, polynomial 0x04C11DB7, start and final xor all ones.

/// The polynomial, reflected: bit 31 is x^0.
const POLYNOMIAL: u32 = 0xEDB8_8320;

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ POLYNOMIAL } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
};

/// A CRC-32 in the making.
#[derive(Clone, Copy, Debug)]
pub struct Crc32(u32);

impl Crc32 {
    /// Of no bytes yet.
    pub fn new() -> Self {
        Self(u32::MAX)
    }

    /// Takes further bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 >> 8) ^ TABLE[usize::from((self.0 as u8) ^ byte)];
        }
    }

    /// The CRC-32 of everything taken in.
    pub fn finish(self) -> u32 {
        !self.0
    }
}

impl Default for Crc32 {
    fn default() -> Self {
        Self::new()
    }
}

/// CRC-32 of `bytes`.
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc32::new();
    crc.update(bytes);
    crc.finish()
}

/// CRC-32 of `len` times `byte`, in a number of steps that grows with the logarithm of `len`.
///
/// The CRC of two pieces in a row is the first one's multiplied by x^(8 · length of the second), plus the second's.
pub(crate) fn crc32_of_run(byte: u8, len: u64) -> u32 {
    let mut crc = 0;
    let mut piece = crc32(&[byte]);
    // x^8 in the reflected order: what one byte more multiplies by.
    let mut shift = 1 << 23;
    let mut left = len;
    while left > 0 {
        if left & 1 == 1 {
            crc = multiply(shift, crc) ^ piece;
        }
        piece ^= multiply(shift, piece);
        shift = multiply(shift, shift);
        left >>= 1;
    }
    crc
}

/// Product of two polynomials modulo the CRC's, reflected.
fn multiply(a: u32, b: u32) -> u32 {
    let mut product = 0;
    let mut power = b;
    for bit in (0..32).rev() {
        if a >> bit & 1 == 1 {
            product ^= power;
        }
        power = if power & 1 == 1 { (power >> 1) ^ POLYNOMIAL } else { power >> 1 };
    }
    product
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn check_value_of_the_polynomial() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn runs_of_every_small_length() {
        for len in 0..300 {
            assert_eq!(crc32_of_run(0xa5, len as u64), crc32(&vec![0xa5; len]), "{len}");
        }
        assert_eq!(crc32_of_run(0, 1 << 20), crc32(&vec![0; 1 << 20]));
    }

    proptest! {
        #[test]
        fn agrees_with_another_implementation(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert_eq!(crc32(&bytes), crc32fast::hash(&bytes));
        }
    }
}
