//! How a tenant is called in each cloud, where the derived names do not do.

/// One tenant's names in the clouds; what is `None` is derived from the tenant's id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloudIds {
    /// Alibaba's account id, digits.
    pub alibaba_account: Option<String>,
    /// CTyun's account, 32 lower-case hexadecimal digits.
    pub ctyun_account: Option<String>,
    /// CTyun's tenant number.
    pub ctyun_tenant: Option<u64>,
    /// Huawei's domain id.
    pub huawei_domain: Option<String>,
    /// Tencent's app id, digits.
    pub tencent_app_id: Option<String>,
}

impl CloudIds {
    /// The fields by name, as in the configuration file, on the command line and in the catalog.
    pub const FIELDS: [&str; 5] =
        ["alibaba_account", "ctyun_account", "ctyun_tenant", "huawei_domain", "tencent_app_id"];

    /// Sets one field; `None` for an unknown one, else the rule that the text breaks.
    pub fn set(&mut self, field: &str, text: &str) -> Option<Result<(), &'static str>> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let plain = (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        let hex32 = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        // The clouds and SQLite keep such numbers as signed 64 bits.
        let number = text.parse::<i64>().ok().filter(|number| *number > 0).map(i64::unsigned_abs);
        let (follows, rule) = match field {
            "alibaba_account" => (digits, "must be decimal digits, such as \"1234567890123456\""),
            "ctyun_account" => (hex32, "must be 32 hexadecimal digits"),
            "ctyun_tenant" => (number.is_some(), "must be a whole number above 0, such as 7000"),
            "huawei_domain" => (plain, "must be 1 to 64 letters, digits, '_' or '-'"),
            "tencent_app_id" => (digits, "must be decimal digits, such as \"1250000000\""),
            _ => return None,
        };
        if !follows {
            return Some(Err(rule));
        }
        let value = Some(text.to_owned());
        match field {
            "alibaba_account" => self.alibaba_account = value,
            "ctyun_account" => self.ctyun_account = value.map(|text| text.to_ascii_lowercase()),
            "ctyun_tenant" => self.ctyun_tenant = number,
            "huawei_domain" => self.huawei_domain = value,
            _ => self.tencent_app_id = value,
        }
        Some(Ok(()))
    }

    /// Forgets one field, so that it is derived again; false for an unknown one.
    pub fn clear(&mut self, field: &str) -> bool {
        match field {
            "alibaba_account" => self.alibaba_account = None,
            "ctyun_account" => self.ctyun_account = None,
            "ctyun_tenant" => self.ctyun_tenant = None,
            "huawei_domain" => self.huawei_domain = None,
            "tencent_app_id" => self.tencent_app_id = None,
            _ => return false,
        }
        true
    }

    /// Returns the fields in the order of [`CloudIds::FIELDS`], each as text.
    pub fn fields(&self) -> [(&'static str, Option<String>); 5] {
        let [alibaba, account, tenant, huawei, tencent] = Self::FIELDS;
        [
            (alibaba, self.alibaba_account.clone()),
            (account, self.ctyun_account.clone()),
            (tenant, self.ctyun_tenant.map(|number| number.to_string())),
            (huawei, self.huawei_domain.clone()),
            (tencent, self.tencent_app_id.clone()),
        ]
    }

    /// Fills what is not set here from another spelling.
    pub fn or(self, other: &Self) -> Self {
        Self {
            alibaba_account: self.alibaba_account.or_else(|| other.alibaba_account.clone()),
            ctyun_account: self.ctyun_account.or_else(|| other.ctyun_account.clone()),
            ctyun_tenant: self.ctyun_tenant.or(other.ctyun_tenant),
            huawei_domain: self.huawei_domain.or_else(|| other.huawei_domain.clone()),
            tencent_app_id: self.tencent_app_id.or_else(|| other.tencent_app_id.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_can_be_set_read_and_cleared() {
        for field in CloudIds::FIELDS {
            let text = match field {
                "ctyun_account" => "AB".repeat(16),
                _ => "7000".to_owned(),
            };
            let mut spelling = CloudIds::default();
            assert_eq!(spelling.set(field, &text), Some(Ok(())));
            let set: Vec<_> = spelling.fields().into_iter().filter(|(_, v)| v.is_some()).collect();
            assert_eq!(set, [(field, Some(text.to_lowercase()))]);
            assert!(matches!(spelling.set(field, "no text like this"), Some(Err(_))));
            assert_eq!(CloudIds::default().or(&spelling), spelling);
            assert!(spelling.clear(field));
            assert_eq!(spelling, CloudIds::default());
        }
        assert_eq!(CloudIds::default().set("azure", "1"), None);
        assert!(!CloudIds::default().clear("azure"));
    }
}
