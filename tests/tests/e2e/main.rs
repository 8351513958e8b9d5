//! End to end: the real control plane, a real Envoy, a real upstream, real Git repositories.

mod the_loop;
mod decisions;
mod places;
mod evasion;
mod bodies;
mod mesh;
mod faults;
mod hostile;
mod secrecy;
mod first_start;
