//! Traps: tokens that were put where somebody might find them, to tell their owner that somebody did.

use crate::checksum::from_base32;

/// The AWS accounts from which a public service, <https://canarytokens.org>, gives key IDs away as traps: anybody who asks it for some, and
/// decodes them, sees the numbers.
const ACCOUNTS: &[u64] = &[
    52_310_077_262,
    171_436_882_533,
    266_735_846_894,
    534_261_010_715,
    595_918_472_158,
    717_712_589_309,
    730_335_385_048,
    819_147_034_852,
    893_192_397_702,
    992_382_622_183,
];
/// What a key ID of AWS begins with.
const PREFIX: usize = 4;

/// Whether the token is a key ID of AWS of an account that has nothing but traps.
pub(crate) fn is_canary(token: &[u8]) -> bool {
    matches!(token, [b'A', b'K' | b'S', b'I', b'A', ..]) && account(token).is_some_and(|account| ACCOUNTS.contains(&account))
}

/// A key ID of AWS has its account in the bits behind the first one.
fn account(token: &[u8]) -> Option<u64> {
    let bytes = from_base32(token.get(PREFIX..)?);
    let number = bytes.first_chunk::<6>()?.iter().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
    Some((number & 0x7fff_ffff_ff80) >> 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_read_from_a_key_id() {
        let trap = ["AKIA", "SP2TPHJSQH3FJRUX"].concat();
        assert_eq!(account(trap.as_bytes()), Some(171_436_882_533));
        assert!(is_canary(trap.as_bytes()));
        assert!(!is_canary(trap.replace("SP2T", "SP3T").as_bytes()));
        assert!(!is_canary(trap.replace("AKIA", "ghp_").as_bytes()));
        assert!(!is_canary(b"AKIA"));
    }
}
