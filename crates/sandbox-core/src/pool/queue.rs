//! Queue of a pool: who waits for a place, and whose turn it is.
//!
//! Places are shared between *tenants*. Each pays for the time that it had a place, and whoever has paid least comes next, so
//! that a tenant with a thousand callers, or with calls that take for ever, has no more of the pool than the others that
//! want as much. Within a tenant, callers come in the order of asking. It is start-time fair queueing: a tenant that comes
//! back after a pause has saved up nothing.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Charge for a place of a tenant of which nothing is known, in nanoseconds. It also keeps calls that take no time from
/// being free.
const LEAST_NANOS: u64 = 1_000;

/// Number of tenants that have neither a place nor a caller waiting and are still known, because they had more than their
/// share lately.
const MOST_REMEMBERED: usize = 10_000;

/// Limits on tenants and on the queue.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Limits {
    /// Number of places that one tenant may have at once.
    pub(super) places_per_tenant: Option<usize>,
    /// Number of callers of one tenant that may wait.
    pub(super) waiting_per_tenant: Option<usize>,
    /// Number of callers that may wait.
    pub(super) waiting: Option<usize>,
}

/// Caller that waits, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// Waiting callers and the tenants that they are of. `T` is what is left for a caller's turn.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    limits: Limits,
    tenants: HashMap<Arc<str>, Tenant<T>>,
    /// Tenants that may have a place now and have a caller for it, the one whose turn it is first.
    ready: BTreeSet<Rank>,
    /// Payments of the tenant whose turn was last.
    paid_last: u64,
    tickets: u64,
    waiting: usize,
}

/// Rank among those whose turn it may be: what they have paid, and since when they wait.
type Rank = (u64, u64, Arc<str>);

#[derive(Debug)]
struct Tenant<T> {
    /// Time of places that were given back, in nanoseconds.
    paid: u64,
    in_use: usize,
    /// Time that a place of the tenant is taken for, as far as that is known; in nanoseconds.
    typical: u64,
    waiting: VecDeque<(Ticket, T)>,
    /// Its place among those that are ready, if it is.
    rank: Option<Rank>,
    served: u64,
    refused: u64,
}

/// Fate of a caller that asks to wait.
#[derive(Debug)]
pub(super) enum Entry<T> {
    /// It waits.
    Waits(Ticket),
    /// It waits, and another one of a tenant with more callers in the queue does not any longer.
    InPlaceOf(Ticket, T),
    /// The queue is full.
    Refused,
}

/// State of one tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TenantCounts {
    pub(super) in_use: usize,
    pub(super) waiting: usize,
    pub(super) served: u64,
    pub(super) refused: u64,
}

impl<T> FairQueue<T> {
    pub(super) fn new(limits: Limits) -> Self {
        let (tenants, ready) = (HashMap::new(), BTreeSet::new());
        Self { limits, tenants, ready, paid_last: 0, tickets: 0, waiting: 0 }
    }

    /// Number of callers that wait.
    pub(super) const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Takes a free place for a tenant, if nobody comes before.
    pub(super) fn try_take(&mut self, name: &Arc<str>) -> bool {
        let limit = self.limits.places_per_tenant;
        if !self.ready.is_empty() {
            return false;
        }
        let tenant = self.tenant(name);
        if tenant.is_full(limit) {
            return false;
        }
        tenant.in_use += 1;
        tenant.served += 1;
        self.paid_last = self.paid_last.max(self.tenants[name].paid);
        true
    }

    /// Has a caller wait.
    pub(super) fn wait(&mut self, name: &Arc<str>, caller: T) -> Entry<T> {
        let Limits { waiting_per_tenant, waiting: most, .. } = self.limits;
        let full = most.is_some_and(|most| self.waiting >= most);
        let tenant = self.tenant(name);
        let own = tenant.waiting.len();
        if waiting_per_tenant.is_some_and(|most| own >= most) {
            tenant.refused += 1;
            return Entry::Refused;
        }
        let displaced = match full {
            false => None,
            // Whoever has most in a full queue makes room for those who have little.
            true => match self.displace(own + 1) {
                None => {
                    self.tenant(name).refused += 1;
                    return Entry::Refused;
                }
                displaced => displaced,
            },
        };
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.tenant(name).waiting.push_back((ticket, caller));
        self.waiting += 1;
        self.rank(name);
        match displaced {
            None => Entry::Waits(ticket),
            Some(displaced) => Entry::InPlaceOf(ticket, displaced),
        }
    }

    /// Turns away the latest caller of the tenant with most of them, if those are more than that.
    fn displace(&mut self, more_than: usize) -> Option<T> {
        let longest = self.tenants.iter().max_by_key(|(_, tenant)| tenant.waiting.len());
        let (name, tenant) = longest?;
        if tenant.waiting.len() <= more_than {
            return None;
        }
        let name = Arc::clone(name);
        let tenant = self.tenants.get_mut(&name)?;
        let (_, caller) = tenant.waiting.pop_back()?;
        tenant.refused += 1;
        self.waiting -= 1;
        self.rank(&name);
        Some(caller)
    }

    /// Lets a caller out of the queue that does not want to wait any longer.
    pub(super) fn leave(&mut self, name: &Arc<str>, ticket: Ticket) {
        let Some(tenant) = self.tenants.get_mut(name) else { return };
        if let Some(at) = tenant.waiting.iter().position(|(known, _)| *known == ticket) {
            tenant.waiting.remove(at);
            self.waiting -= 1;
            self.rank(name);
        }
    }

    /// Gives a free place to the caller whose turn it is.
    pub(super) fn next(&mut self) -> Option<(Arc<str>, T)> {
        let (paid, _, name) = self.ready.first().cloned()?;
        let tenant = self.tenants.get_mut(&name)?;
        let (_, caller) = tenant.waiting.pop_front()?;
        tenant.in_use += 1;
        tenant.served += 1;
        self.waiting -= 1;
        self.paid_last = self.paid_last.max(paid);
        self.rank(&name);
        Some((name, caller))
    }

    /// Takes a place back that a tenant had for so long.
    pub(super) fn give_back(&mut self, name: &Arc<str>, held: Duration) {
        let Some(tenant) = self.tenants.get_mut(name) else { return };
        let held = u64::try_from(held.as_nanos()).unwrap_or(u64::MAX).max(LEAST_NANOS);
        tenant.in_use -= 1;
        tenant.paid = tenant.paid.saturating_add(held);
        tenant.typical = tenant.typical.saturating_mul(3).saturating_add(held) / 4;
        self.rank(name);
        self.forget_some();
    }

    /// Lets all callers out of the queue.
    pub(super) fn clear(&mut self) -> Vec<T> {
        self.ready.clear();
        self.waiting = 0;
        let tenants = self.tenants.values_mut();
        tenants
            .flat_map(|tenant| {
                tenant.rank = None;
                tenant.waiting.drain(..).map(|(_, caller)| caller)
            })
            .collect()
    }

    /// Tells how one tenant is, if it has been here lately.
    pub(super) fn tenant_counts(&self, name: &str) -> Option<TenantCounts> {
        self.tenants.get(name).map(|tenant| TenantCounts {
            in_use: tenant.in_use,
            waiting: tenant.waiting.len(),
            served: tenant.served,
            refused: tenant.refused,
        })
    }

    fn tenant(&mut self, name: &Arc<str>) -> &mut Tenant<T> {
        let paid_last = self.paid_last;
        let tenant = self.tenants.entry(Arc::clone(name)).or_insert_with(|| Tenant {
            paid: 0,
            in_use: 0,
            typical: LEAST_NANOS,
            waiting: VecDeque::new(),
            rank: None,
            served: 0,
            refused: 0,
        });
        if tenant.is_away() {
            tenant.paid = tenant.paid.max(paid_last);
        }
        tenant
    }

    /// Puts a tenant where it belongs among those that are ready.
    fn rank(&mut self, name: &Arc<str>) {
        let Some(tenant) = self.tenants.get_mut(name) else { return };
        if let Some(rank) = tenant.rank.take() {
            self.ready.remove(&rank);
        }
        if tenant.is_full(self.limits.places_per_tenant) {
            return;
        }
        if let Some((Ticket(since), _)) = tenant.waiting.front() {
            let rank = (tenant.owed(), *since, Arc::clone(name));
            tenant.rank = Some(rank.clone());
            self.ready.insert(rank);
        }
    }

    /// Forgets tenants that are away, beginning with none that would gain by it.
    fn forget_some(&mut self) {
        if self.tenants.len() <= MOST_REMEMBERED {
            return;
        }
        let paid_last = self.paid_last;
        self.tenants.retain(|_, tenant| !tenant.is_away() || tenant.paid > paid_last);
        if self.tenants.len() > MOST_REMEMBERED {
            self.tenants.retain(|_, tenant| !tenant.is_away());
        }
    }
}

impl<T> Tenant<T> {
    /// Whether it has neither a place nor a caller that waits.
    fn is_away(&self) -> bool {
        self.in_use == 0 && self.waiting.is_empty()
    }

    fn is_full(&self, limit: Option<usize>) -> bool {
        limit.is_some_and(|limit| self.in_use >= limit)
    }

    /// Sum of what it has paid, and will have to pay for the places that it has.
    fn owed(&self) -> u64 {
        self.paid.saturating_add(self.typical.saturating_mul(self.in_use as u64))
    }
}

#[cfg(test)]
mod tests;
