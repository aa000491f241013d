//! The newest point of a protection, or why it is not taken. An older one is never taken by itself.

use refloat_core::names::ProtectionName;
use refloat_vault::store::{Chain, SealedPoint};

use crate::failure::Failure;
use crate::printer::moment;
use crate::seat::vault_failure;

pub(super) fn newest(
    protection: &ProtectionName,
    mut chain: Chain,
) -> Result<SealedPoint, Failure> {
    let Some(newest) = chain.points.pop() else {
        return Err(Failure::refuse(
            "point-missing",
            format!("protection `{protection}` has no points in this vault"),
            "see `refloat vault list`",
        ));
    };
    newest.point.map_err(|error| {
        let mut usable = chain.points.iter().rev();
        let older = usable.find_map(|listed| listed.point.as_ref().ok());
        let mut failure = vault_failure(&error);
        if let (Some(problem), Some(older)) = (failure.problems.first_mut(), older) {
            let content = &older.document.content;
            let cut = content.earliest_cut().map_or("no volumes".to_owned(), moment);
            problem.hint = format!(
                "to recover the newest usable point all the same: `--point {}`, which is older (cut {cut}): what came later is lost; {}",
                older.document.id,
                error.hint()
            );
        }
        failure
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seat::points::{good, withheld};

    #[test]
    fn a_newest_point_that_is_not_given_is_not_replaced_by_an_older_one() {
        let shop = ProtectionName::new("shop").expect("a name");
        let chain = |points| Chain {
            points,
            warnings: Vec::new(),
        };
        let taken = newest(&shop, chain(vec![withheld(1), good(2)])).expect("the newest");
        assert_eq!(taken.document.id.sequence, 2);

        let refused = newest(&shop, chain(vec![good(1), withheld(2), withheld(3)]));
        let problem = refused.expect_err("it is not given").problems.remove(0);
        assert_eq!(problem.code, "vault-withheld");
        assert!(
            problem.message.contains("cannot be read now"),
            "{problem:?}"
        );
        assert!(
            problem
                .hint
                .contains("`--point shop/1`, which is older (cut "),
            "{problem:?}"
        );
    }
}
