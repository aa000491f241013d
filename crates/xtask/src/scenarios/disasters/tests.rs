//! When a blow counts as one. Called by `cargo test`.

use super::*;

#[test]
fn a_blow_hits_what_is_done_after_it_only() {
    let dealt = Instant::now();
    let line = |milliseconds: u64, title: &str| {
        let line = format!("[7/9] phase 4, storage: {title} (0.1 s)");
        (dealt + Duration::from_millis(milliseconds), line)
    };
    let on_its_way = line(100, "fill a volume with shop/data-db-0");
    let written = line(900, "write Secret shop/database");
    let filled = line(2_000, "fill a volume with shop/data-db-0");
    for (blow, told, hit) in [
        (Blow::ApiServer, vec![], false),
        (Blow::ApiServer, vec![on_its_way.clone()], false),
        (Blow::Link, vec![on_its_way.clone(), written.clone()], true),
        (Blow::StoreLink, vec![on_its_way, written.clone()], false),
        (Blow::StoreLink, vec![written, filled], true),
    ] {
        assert_eq!(is_hit(blow, dealt, &told), hit, "{blow:?}: {told:?}");
    }
}
