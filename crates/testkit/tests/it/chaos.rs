//! Random runs of the whole engine, a few of each kind; `cargo xtask sim` makes the many.

use refloat_testkit::chaos::Runner;

#[test]
fn runs_of_one_application_are_as_promised() {
    let mut runner = Runner::default();
    for seed in 0..16 {
        let outcome = runner.run(seed);
        assert_eq!(outcome.wrong, None, "seed {seed}");
    }
}
