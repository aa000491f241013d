mod answers;
mod checks;
mod policies;
mod ways;
