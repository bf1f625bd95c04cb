//! The audit log: every field of a line, its order, and whose and what lines a filter selects.

use layerbase::domain::{
    Actor, AuditContext, AuditEntry, AuditFilter, Caller, CatalogError, KeyId, Page, Role, Subject,
    SubjectKind, TenantId,
};
use layerbase::store::Change;

use super::{at, number, tenant, texts, uuid};
use crate::support::engines::{TestStore, stores};

/// Returns an actor of each kind in turn: a caller with a key and one without, owner and task.
fn actor(sequence: u64) -> Actor {
    let operation = "Publish'\"\\\u{5c42}";
    let context = AuditContext { dialect: "suite", operation, request_id: uuid(9, sequence) };
    let key = KeyId::parse(format!("KEY{sequence}")).unwrap();
    let caller = match sequence % 4 {
        0 => Caller::new(tenant("of the key"), Role::Write, key),
        1 => Caller::new_anonymous(tenant("of the key")),
        2 => return Actor::owner(operation),
        _ => return Actor::task(operation),
    };
    Actor::from(&caller.in_context(context))
}

/// Returns the line that [`log`] writes for its number and its subject.
fn line(sequence: u64, subject: Subject) -> AuditEntry {
    let by = actor(sequence);
    AuditEntry {
        sequence,
        at: at(sequence),
        key: by.key().map(KeyId::to_string),
        dialect: by.dialect().to_owned(),
        operation: by.operation().to_owned(),
        subject,
        request: by.request_id().map(|id| id.to_string()),
    }
}

fn log(change: &Change<'_>, line: &AuditEntry) -> Result<(), CatalogError> {
    change.insert_audit(line.sequence, line.at, &actor(line.sequence), &line.subject)
}

/// Writes lines in no order.
fn write(store: &TestStore, lines: &[AuditEntry]) {
    let lines = lines.to_vec();
    store
        .write(move |change| {
            (0..lines.len()).try_for_each(|index| log(change, &lines[index * 7 % lines.len()]))
        })
        .unwrap();
}

/// Checks pages of a filter against the lines that it selects.
fn check(store: &TestStore, filter: AuditFilter<'_>, selected: &[AuditEntry], numbers: &[u64]) {
    for after in numbers {
        for limit in [0, 1, 2, 7, 39, 40, 41] {
            let left = selected.iter().filter(|line| line.sequence > *after);
            let mut items: Vec<_> = left.take(limit + 1).cloned().collect();
            let next = items.drain(limit.min(items.len())..).next();
            let expected = Page { items, more: next.is_some(), next, total: 0 };
            let page = store.read(|view| view.select_audit(filter, *after, limit as u64)).unwrap();
            assert_eq!(page, expected, "{store}: {filter:?} after {after}, {limit}");
        }
    }
}

#[test]
fn a_read_shows_every_field_in_the_order_of_the_numbers() {
    for mut store in stores() {
        // The tenants of a log need no row.
        let tenants = ["a", "a@b", "a@", "A", "aA", "a?", "a-@b", "b", "a@\u{10ffff}", "a@b@c"];
        // No name is longer than those of a bucket and of a key together.
        let names = texts().into_iter().filter(|text| text.len() <= 1280).cycle();
        let versions = [None, Some(number(1)), Some(number(i64::MAX.cast_unsigned()))];
        let lines: Vec<_> = (1..=40)
            .zip(tenants.into_iter().cycle().zip(names))
            .map(|(sequence, (of, name))| {
                let kind = SubjectKind::ALL[sequence as usize % SubjectKind::ALL.len()];
                let version = versions[sequence as usize % versions.len()];
                line(sequence, Subject { tenant: tenant(of), kind, name, version })
            })
            .collect();
        write(&store, &lines);
        store.reopen();
        let numbers = [0, 1, 2, 17, 39, 40, 41, i64::MAX.cast_unsigned()];
        check(&store, AuditFilter::All, &lines, &numbers);
        for of in ["a", "A", "aA", "a?", "a-", "b", "none", "a@x", "A@"].map(tenant) {
            let is_shown = |line: &&AuditEntry| line.subject.tenant.root() == of.root();
            let selected: Vec<_> = lines.iter().filter(is_shown).cloned().collect();
            check(&store, AuditFilter::Tenant(&of), &selected, &numbers);
        }
    }
}

#[test]
fn the_lines_about_a_subject_are_those_of_its_kind_name_and_version() {
    for store in stores() {
        let mut lines = Vec::new();
        for of in ["t", "t@u", "T", "u"] {
            for kind in [SubjectKind::Layer, SubjectKind::Function] {
                for name in ["a", "A", "a/b", "", "\u{5c42}'"] {
                    for version in [None, Some(number(1)), Some(number(10))] {
                        let name = name.to_owned();
                        let subject = Subject { tenant: tenant(of), kind, name, version };
                        lines.push(line(lines.len() as u64 + 1, subject));
                    }
                }
            }
        }
        write(&store, &lines);
        for asked in lines.iter().map(|line| &line.subject) {
            let is_shown = |line: &&AuditEntry| {
                let Subject { tenant, kind, name, version } = &line.subject;
                tenant.root() == asked.tenant.root()
                    && (*kind, name) == (asked.kind, &asked.name)
                    && (asked.version.is_none() || *version == asked.version)
            };
            let selected: Vec<_> = lines.iter().filter(is_shown).cloned().collect();
            check(&store, AuditFilter::Subject(asked), &selected, &[0, 20]);
        }
        let missing = Subject { name: "none".to_owned(), ..lines[0].subject.clone() };
        check(&store, AuditFilter::Subject(&missing), &[], &[0]);
    }
}

#[test]
fn a_number_is_used_once() {
    for store in stores() {
        let about = |name: &str| Subject::tenant(&TenantId::parse(name).unwrap());
        let (first, second) = (line(1, about("first")), line(1, about("second")));
        write(&store, std::slice::from_ref(&first));
        store.write(move |change| log(change, &second)).unwrap_err();
        check(&store, AuditFilter::All, &[first], &[0]);
    }
}
