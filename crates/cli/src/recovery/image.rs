//! Which image the movers of a recovery use, and the words that mean the same image again. Called by `recover`.

use clap::Args;

use super::evidence::quoted;

/// Where a person sets it once for all commands.
const VARIABLE: &str = "REFLOAT_MOVER_IMAGE";

/// The image, as it was given.
#[derive(Debug, Args)]
pub(super) struct MoverImage {
    /// Container image of Refloat, for the pods that move data
    #[arg(long, env = VARIABLE, value_name = "IMAGE")]
    mover_image: String,
    /// What the environment says, which the next command finds there too.
    #[arg(skip = std::env::var(VARIABLE).ok())]
    of_environment: Option<String>,
}

impl MoverImage {
    pub(super) fn name(&self) -> &str {
        &self.mover_image
    }

    /// The option that means this image again; empty when the environment says it.
    pub(super) fn again(&self) -> String {
        if self.of_environment.as_deref() == Some(self.name()) {
            return String::new();
        }
        format!("--mover-image {}", quoted(self.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_the_environment_does_not_say_is_named_again() {
        let of = |given: &str, environment: Option<&str>| {
            let image = MoverImage {
                mover_image: given.to_owned(),
                of_environment: environment.map(str::to_owned),
            };
            image.again()
        };
        let own = "mirror.example/refloat@sha256:0a";
        let named = format!("--mover-image '{own}'");
        assert_eq!(of(own, None), named);
        assert_eq!(of(own, Some("refloat:1")), named);
        assert_eq!(of(own, Some(own)), "");
    }
}
