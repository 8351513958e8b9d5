//! End to end: the real control plane, a real Envoy, a real upstream, real Git repositories.

mod the_loop;
mod decisions;
mod scopes;
mod life;
mod places;
mod evasion;
mod bodies;
mod benign;
mod mesh;
mod faults;
mod replicas;
mod trap;
mod contexts;
mod hostile;
mod keys;
mod bad_input;
mod secrecy;
mod first_start;
