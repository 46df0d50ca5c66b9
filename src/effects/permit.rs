//! Leave to change something at a service. Every method of a client that changes anything takes one, and only this room
//! can make one: that is how nothing reaches a service around the gate.

/// Leave to change something at a service.
#[derive(Debug, Clone, Copy)]
pub struct Permit(());

impl Permit {
    /// Given by the gate, and to the gate's own records in the lake: plan, journal, lock.
    pub(super) const fn granted() -> Permit {
        Permit(())
    }
}
