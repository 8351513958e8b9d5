//! Why a match is worth what it is.

use serde::Serialize;

use crate::Risk;

/// One thing that speaks for a match, or against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The checksum inside the token is right.
    Checksum,
    /// The format is one provider's own.
    Format,
    /// It is assigned to a name that secrets have; of the generic tier.
    Assignment,
    /// A key ID and its secret stand side by side: whoever finds them has both.
    SecretNearby,
    /// It was decoded from base64 or the like.
    Decoded,
    /// It says itself that it has ended.
    Expired,
    /// It belongs to a trap that tells its owner when it is used.
    Canary,
    /// The path is one of tests or their data.
    TestPath,
    /// It stands in the tests at the end of a file of Rust.
    TestCode,
    /// The path is one of other people's code.
    VendoredPath,
    /// The path is one of documentation or examples.
    ExamplePath,
}

impl Reason {
    /// The word that reports and the API use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Checksum => "checksum",
            Self::Format => "format",
            Self::Assignment => "assignment",
            Self::SecretNearby => "secret_nearby",
            Self::Decoded => "decoded",
            Self::Expired => "expired",
            Self::Canary => "canary",
            Self::TestPath => "test_path",
            Self::TestCode => "test_code",
            Self::VendoredPath => "vendored_path",
            Self::ExamplePath => "example_path",
        }
    }
}

impl Risk {
    /// What is left of this risk for these reasons: a path of tests takes a step off, and what opens nothing is of the lowest.
    #[must_use]
    pub fn given(self, reasons: &[Reason]) -> Self {
        let has = |any: &[Reason]| any.iter().any(|reason| reasons.contains(reason));
        if has(&[Reason::Expired, Reason::Canary]) {
            Self::Low
        } else if has(&[Reason::TestPath, Reason::TestCode, Reason::VendoredPath, Reason::ExamplePath]) {
            self.step_down()
        } else {
            self
        }
    }

    const fn step_down(self) -> Self {
        match self {
            Self::Critical => Self::High,
            Self::High => Self::Medium,
            Self::Medium | Self::Low => Self::Low,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_takes_one_step_off_and_what_has_ended_all() {
        assert_eq!(Risk::Critical.given(&[Reason::Format]), Risk::Critical);
        assert_eq!(Risk::Critical.given(&[Reason::TestPath, Reason::VendoredPath]), Risk::High);
        assert_eq!(Risk::Low.given(&[Reason::ExamplePath]), Risk::Low);
        assert_eq!(Risk::Critical.given(&[Reason::Checksum, Reason::Canary]), Risk::Low);
        assert_eq!(Risk::High.given(&[Reason::Expired]), Risk::Low);
    }

    #[test]
    fn reasons_are_serialised_as_they_are_called() {
        for reason in [Reason::Checksum, Reason::SecretNearby, Reason::VendoredPath] {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }
}
