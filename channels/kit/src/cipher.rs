//! AES in CBC mode with PKCS#7 padding, to blocks of 16 or, as WeChat pads, of 32 bytes.

use aes::{
    Aes128, Aes192, Aes256,
    cipher::{
        BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _, block_padding::NoPadding,
    },
};
use cbc::{Decryptor, Encryptor};

/// Size of AES's own block, and of its initial vector.
const BLOCK: usize = 16;

/// Why no cipher can be made of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("an AES key has 16, 24 or 32 bytes")]
    Key,
    #[error("the initial vector has 16 bytes")]
    Iv,
    #[error("the padding's block is 16 or 32")]
    Block,
}

/// # Errors
/// When key, initial vector or block have a size of their own.
pub fn encrypt(key: &[u8], iv: &[u8], data: &[u8], block: usize) -> Result<Vec<u8>, Unfit> {
    check(key, iv, block)?;
    let count = block - data.len() % block;
    let pad = u8::try_from(count).expect("a block of at most 32 is padded by at most 32");
    let mut padded = data.to_vec();
    padded.resize(data.len() + count, pad);
    let sealed = match key.len() {
        16 => Encryptor::<Aes128>::new_from_slices(key, iv)
            .map(|c| c.encrypt_padded_vec::<NoPadding>(&padded)),
        24 => Encryptor::<Aes192>::new_from_slices(key, iv)
            .map(|c| c.encrypt_padded_vec::<NoPadding>(&padded)),
        _ => Encryptor::<Aes256>::new_from_slices(key, iv)
            .map(|c| c.encrypt_padded_vec::<NoPadding>(&padded)),
    };
    sealed.map_err(|_| Unfit::Key)
}

/// `None` for what was not sealed with this key: no whole number of blocks, or a wrong padding.
///
/// # Errors
/// As [`encrypt`].
pub fn decrypt(key: &[u8], iv: &[u8], data: &[u8], block: usize) -> Result<Option<Vec<u8>>, Unfit> {
    check(key, iv, block)?;
    if data.is_empty() || !data.len().is_multiple_of(BLOCK) {
        return Ok(None);
    }
    let opened = match key.len() {
        16 => Decryptor::<Aes128>::new_from_slices(key, iv)
            .map(|c| c.decrypt_padded_vec::<NoPadding>(data)),
        24 => Decryptor::<Aes192>::new_from_slices(key, iv)
            .map(|c| c.decrypt_padded_vec::<NoPadding>(data)),
        _ => Decryptor::<Aes256>::new_from_slices(key, iv)
            .map(|c| c.decrypt_padded_vec::<NoPadding>(data)),
    };
    let Ok(mut plain) = opened.map_err(|_| Unfit::Key)? else {
        return Ok(None);
    };
    let Some(pad) = plain.last().copied() else {
        return Ok(None);
    };
    let count = usize::from(pad);
    if count == 0 || count > block || count > plain.len() {
        return Ok(None);
    }
    let text = plain.len() - count;
    if plain[text..].iter().any(|b| *b != pad) {
        return Ok(None);
    }
    plain.truncate(text);
    Ok(Some(plain))
}

fn check(key: &[u8], iv: &[u8], block: usize) -> Result<(), Unfit> {
    if !matches!(key.len(), 16 | 24 | 32) {
        return Err(Unfit::Key);
    }
    if iv.len() != BLOCK {
        return Err(Unfit::Iv);
    }
    if !matches!(block, 16 | 32) {
        return Err(Unfit::Block);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_first_block_comes_out() {
        // NIST SP 800-38A, F.2.5.
        let key = hex::decode("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
            .unwrap();
        let iv = hex::decode("000102030405060708090a0b0c0d0e0f").unwrap();
        let plain = hex::decode("6bc1bee22e409f96e93d7e117393172a").unwrap();
        let sealed = encrypt(&key, &iv, &plain, 16).unwrap();
        assert_eq!(
            hex::encode(&sealed[..16]),
            "f58c4c04d6e5f1ba779eabfb5f7bfbd6"
        );
    }

    #[test]
    fn everything_sealed_opens_again() {
        for key in [16, 24, 32] {
            let key: Vec<u8> = (0..key).collect();
            for block in [16, 32] {
                for length in [0, 1, 15, 16, 31, 32, 33, 100] {
                    let data = vec![7; length];
                    let sealed = encrypt(&key, &key[..16], &data, block).unwrap();
                    assert_eq!(sealed.len() % block, 0);
                    let opened = decrypt(&key, &key[..16], &sealed, block).unwrap();
                    assert_eq!(opened, Some(data));
                }
            }
        }
    }

    #[test]
    fn what_was_not_sealed_so_does_not_open() {
        let (key, iv) = ([1; 32], [2; 16]);
        let sealed = encrypt(&key, &iv, b"hello", 16).unwrap();
        for bad in [&b""[..], &sealed[..15], &[0; 16]] {
            assert_eq!(decrypt(&key, &iv, bad, 16), Ok(None));
        }
        assert_eq!(decrypt(&[3; 32], &iv, &sealed, 16), Ok(None));
        let wide = encrypt(&key, &iv, b"hello", 32).unwrap();
        assert_eq!(
            decrypt(&key, &iv, &wide, 16),
            Ok(None),
            "27 is no padding of 16"
        );
        assert_eq!(decrypt(&key[..31], &iv, &sealed, 16), Err(Unfit::Key));
        assert_eq!(decrypt(&key, &iv[..15], &sealed, 16), Err(Unfit::Iv));
        assert_eq!(encrypt(&key, &iv, b"", 0), Err(Unfit::Block));
    }
}
