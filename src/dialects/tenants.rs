//! Derives a tenant's id for clouds whose ids are digits or hexadecimal.
//!
//! The rule is fixed: the leading part of a SHA-256 over purpose and id. The same tenant has the
//! same id on every machine (design.md section 1).

use sha2::{Digest, Sha256};

use crate::domain::TenantId;

fn derive(tenant: &TenantId, purpose: &str) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(purpose);
    digest.update(b"\n");
    digest.update(tenant.as_str());
    digest.finalize().into()
}

/// Derives an id of 32 lower-case hexadecimal digits.
pub(super) fn hexadecimal(tenant: &TenantId, purpose: &str) -> String {
    hex::encode(&derive(tenant, purpose)[..16])
}

/// Derives a number of exactly `digits` decimal digits, 18 at the most.
pub(super) fn decimal(tenant: &TenantId, purpose: &str, digits: u32) -> u64 {
    let bytes = derive(tenant, purpose);
    let leading = bytes[..8].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let lowest = 10_u64.pow(digits - 1);
    lowest + leading % (9 * lowest)
}

/// Takes an id of decimal digits as an operator sets it.
pub(super) fn digits(text: &str) -> Option<String> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_have_their_length_and_never_change() {
        let tenant = TenantId::default_tenant();
        assert_eq!(decimal(&tenant, "x", 16).to_string().len(), 16);
        assert_eq!(hexadecimal(&tenant, "x").len(), 32);
        assert_eq!(hexadecimal(&tenant, "ctyun account"), "f5bd6313299495bbedc143e5e3417698");
        assert_eq!(decimal(&tenant, "ctyun tenant", 9), 322_769_089);
    }
}
