//! What becomes of a model's mistakes: adversarial trajectories over the simulator, through the gateway and, for comparison,
//! through a naive tool server that passes on whatever the model writes.
//!
//! A trajectory is a scripted model that gets something wrong: an invented id, a copied id with one character changed, another
//! person's line, a display name that gives orders. What counts is what arrives at the simulator: a write to anybody whom the
//! goal does not name is a wrong-target write. `cargo xtask safety` runs all of them and writes the table of `docs/safety.md`.
#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a measurement that cannot be set up has failed")]

mod book;
mod guarded;
mod naive;
mod report;
mod trajectories;
mod trajectory;

pub use book::Writes;
pub use guarded::{Mode, Through, through_gateway};
pub use naive::through_naive_server;
pub use report::{Row, Table};
pub use trajectories::all;
pub use trajectory::{Ask, Class, Setup, Trajectory, Turn};
