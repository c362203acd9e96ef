use super::*;

fn name(text: &str) -> Arc<str> {
    Arc::from(text)
}

/// A pool in a time that is counted and not waited for.
struct Simulation {
    queue: FairQueue<usize>,
    names: Vec<Arc<str>>,
    /// Places by when they are given back, and who has them since when.
    taken: BTreeSet<(u64, u64, usize)>,
    served: Vec<u64>,
    turns: u64,
    now: u64,
    places: usize,
}

impl Simulation {
    fn new(tenants: usize, places: usize, limits: Limits) -> Self {
        Self {
            queue: FairQueue::new(limits),
            names: (0..tenants).map(|tenant| name(&format!("tenant {tenant}"))).collect(),
            taken: BTreeSet::new(),
            served: vec![0; tenants],
            turns: 0,
            now: 0,
            places,
        }
    }

    fn ask(&mut self, tenant: usize) {
        let _ = self.queue.wait(&self.names[tenant], tenant);
    }

    /// Lets everybody have places whose calls take that long, until that time; who was served asks again.
    fn run_until(
        &mut self,
        end: u64,
        takes: impl Fn(usize) -> u64,
        again: impl Fn(usize) -> usize,
    ) {
        while self.now < end {
            while self.taken.len() < self.places
                && let Some((_, tenant)) = self.queue.next()
            {
                let until = self.now + takes(tenant);
                // Of several at the same moment each is one.
                self.turns += 1;
                self.taken.insert((until, self.turns, tenant));
                self.served[tenant] += 1;
            }
            let Some((until, _, tenant)) = self.taken.pop_first() else { return };
            self.now = until;
            self.queue.give_back(&self.names[tenant], Duration::from_nanos(takes(tenant)));
            for _ in 0..again(tenant) {
                self.ask(tenant);
            }
        }
    }
}

const MILLISECOND: u64 = 1_000_000;

/// Time that a call of a tenant takes that is not hostile.
const CALL: u64 = 10 * MILLISECOND;

/// One of a hundred tenants asks as `hostile` says; the fewest calls of another one, to what each would have had in equal
/// shares.
fn least_share(takes: u64, asks: usize, limits: Limits) -> f64 {
    let (tenants, places) = (100, 4);
    let mut simulation = Simulation::new(tenants, places, limits);
    for _ in 0..asks {
        simulation.ask(0);
    }
    for tenant in 1..tenants {
        simulation.ask(tenant);
        simulation.ask(tenant);
    }
    let end = 50_000 * MILLISECOND;
    let takes = |tenant| if tenant == 0 { takes } else { CALL };
    simulation.run_until(end, takes, |tenant| if tenant == 0 { 2 } else { 1 });
    let equal = end as f64 * places as f64 / tenants as f64 / CALL as f64;
    let least = simulation.served[1..].iter().min().copied().unwrap_or_default();
    least as f64 / equal
}

#[test]
fn a_hostile_tenant_of_a_hundred_takes_nothing_from_the_others() {
    for takes in [CALL / 100, CALL, 100 * CALL] {
        for asks in [1, 1_000] {
            for places_per_tenant in [None, Some(1)] {
                let limits = Limits { places_per_tenant, ..Limits::default() };
                let share = least_share(takes, asks, limits);
                assert!(share > 0.95, "calls of {takes} ns, {asks} of them: {share}");
            }
        }
    }
}

#[test]
fn a_tenant_that_was_away_has_saved_up_nothing() {
    let mut simulation = Simulation::new(2, 1, Limits::default());
    simulation.ask(0);
    simulation.run_until(1_000 * MILLISECOND, |_| MILLISECOND, |tenant| usize::from(tenant == 0));
    simulation.ask(1);
    let before = simulation.served[0];
    simulation.run_until(2_000 * MILLISECOND, |_| MILLISECOND, |_| 1);
    let (first, second) = (simulation.served[0] - before, simulation.served[1]);
    assert!(first.abs_diff(second) <= 2, "{first} {second}");
}

#[test]
fn callers_of_one_tenant_come_in_the_order_of_asking() {
    let mut queue = FairQueue::new(Limits::default());
    let tenant = name("one");
    assert!(queue.try_take(&tenant));
    for caller in 0..10 {
        assert!(matches!(queue.wait(&tenant, caller), Entry::Waits(_)));
    }
    assert!(!queue.try_take(&tenant), "others have waited for longer");
    let served: Vec<i32> = std::iter::from_fn(|| queue.next().map(|(_, caller)| caller)).collect();
    assert_eq!(served, (0..10).collect::<Vec<_>>());
    assert_eq!(queue.waiting(), 0);
}

#[test]
fn a_tenant_at_its_limit_lets_others_pass() {
    let limits = Limits { places_per_tenant: Some(2), ..Limits::default() };
    let mut queue = FairQueue::new(limits);
    let (greedy, modest) = (name("greedy"), name("modest"));
    assert!(queue.try_take(&greedy) && queue.try_take(&greedy));
    assert!(!queue.try_take(&greedy));
    let _ = queue.wait(&greedy, "greedy");
    assert!(queue.next().is_none());
    assert!(queue.try_take(&modest));
    queue.give_back(&greedy, Duration::from_secs(1));
    assert_eq!(queue.next().map(|(_, caller)| caller), Some("greedy"));
}

#[test]
fn a_full_queue_is_shared_too() {
    let limits = Limits { waiting: Some(4), ..Limits::default() };
    let mut queue = FairQueue::new(limits);
    let (many, few) = (name("many"), name("few"));
    for caller in 0..4 {
        assert!(matches!(queue.wait(&many, caller), Entry::Waits(_)));
    }
    assert!(matches!(queue.wait(&many, 4), Entry::Refused));
    assert!(matches!(queue.wait(&few, 10), Entry::InPlaceOf(_, 3)));
    assert!(matches!(queue.wait(&few, 11), Entry::InPlaceOf(_, 2)));
    assert!(matches!(queue.wait(&few, 12), Entry::Refused), "each has its half");
    assert_eq!(queue.waiting(), 4);
    let counts = queue.tenant_counts("many").unwrap();
    assert_eq!((counts.waiting, counts.refused), (2, 3));
}

#[test]
fn a_tenant_has_no_more_callers_waiting_than_it_may() {
    let limits = Limits { waiting_per_tenant: Some(1), ..Limits::default() };
    let mut queue = FairQueue::new(limits);
    let (one, other) = (name("one"), name("other"));
    let Entry::Waits(ticket) = queue.wait(&one, 1) else { panic!("there is room") };
    assert!(matches!(queue.wait(&one, 2), Entry::Refused));
    assert!(matches!(queue.wait(&other, 3), Entry::Waits(_)));
    queue.leave(&one, ticket);
    queue.leave(&one, ticket);
    assert_eq!(queue.waiting(), 1);
    assert_eq!(queue.next().map(|(_, caller)| caller), Some(3));
}

#[test]
fn tenants_that_come_and_go_are_forgotten() {
    let mut queue: FairQueue<()> = FairQueue::new(Limits::default());
    for tenant in 0..3 * MOST_REMEMBERED {
        let tenant = name(&tenant.to_string());
        assert!(queue.try_take(&tenant));
        queue.give_back(&tenant, Duration::from_micros(1));
    }
    assert!(queue.tenants.len() <= MOST_REMEMBERED + 1, "{}", queue.tenants.len());
}
