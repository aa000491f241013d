//! Tests of probes, a file per question: what may be asked, what is answered, which way, which policies. Holds no test itself.

mod answers;
mod checks;
mod policies;
mod ways;
