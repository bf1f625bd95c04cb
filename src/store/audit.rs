//! All SQL about the audit log. The catalog decides which change leaves a line.

use super::columns::columns;
use super::engine::{Row, Value, values};
use super::pages::cut;
use super::{Change, View};
use crate::domain::{
    Actor, AuditEntry, AuditFilter, CatalogError, Page, Subject, SubjectKind, TenantId, Timestamp,
    VersionNumber,
};

columns! {
    /// The columns of a line; [`audit_entry`] reads them.
    mod audit_columns {
        SEQUENCE: "sequence", AT: "at", TENANT: "tenant", KEY: "key", DIALECT: "dialect",
        OPERATION: "operation", KIND: "kind", NAME: "name", VERSION: "version",
        REQUEST: "request",
    }
}

/// A line's root tenant, spelled as in the indexes; SQLite does not use them otherwise.
const ROOT: &str = "substr(tenant, 1, instr(tenant || '@', '@') - 1)";

impl View<'_> {
    /// Returns the lines that a filter selects in the order of their numbers, after the number
    /// `after`; the page's `total` is not counted.
    pub fn select_audit(
        &self,
        filter: AuditFilter<'_>,
        after: u64,
        limit: u64,
    ) -> Result<Page<AuditEntry>, CatalogError> {
        let mut conditions = String::new();
        let mut values: Vec<Value<'_>> = Vec::new();
        if let AuditFilter::Tenant(tenant) | AuditFilter::Subject(Subject { tenant, .. }) = filter {
            conditions += &format!("{ROOT} = ? AND ");
            values.extend(values![tenant.root()]);
        }
        if let AuditFilter::Subject(Subject { kind, name, version, .. }) = filter {
            conditions += "kind = ? AND name = ? AND ";
            values.extend(values![kind.as_str(), name]);
            if let Some(version) = version {
                conditions += "version = ? AND ";
                values.extend(values![version.get()]);
            }
        }
        let list = audit_columns::LIST;
        let sql = format!(
            "SELECT {list} FROM audit WHERE {conditions}sequence > ? ORDER BY sequence LIMIT ?"
        );
        values.extend(values![after, limit.saturating_add(1)]);
        Ok(cut(self.all(&sql, &values, audit_entry)?, limit, 0))
    }
}

impl Change<'_> {
    /// Inserts a line; `sequence` is a number of the change that it is part of.
    pub fn insert_audit(
        &self,
        sequence: u64,
        at: Timestamp,
        by: &Actor,
        subject: &Subject,
    ) -> Result<(), CatalogError> {
        let sql = "INSERT INTO audit (sequence, at, tenant, key, dialect, operation, kind, name,
                       version, request) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let Subject { tenant, kind, name, version } = subject;
        let (version, request) =
            (version.map(VersionNumber::get), by.request_id().map(|id| id.to_string()));
        let (key, dialect, operation) = (by.key(), by.dialect(), by.operation());
        let (kind, request) = (kind.as_str(), request.as_ref());
        self.run(
            sql,
            values![sequence, at, tenant, key, dialect, operation, kind, name, version, request],
        )
    }
}

fn audit_entry(row: &Row<'_>) -> Result<AuditEntry, CatalogError> {
    let kind = SubjectKind::parse(row.text(audit_columns::KIND)?);
    let version = row.optional(audit_columns::VERSION, Row::count)?;
    let subject = Subject {
        tenant: TenantId::parse(row.text(audit_columns::TENANT)?)?,
        kind: kind.ok_or_else(|| CatalogError::internal("a subject of an unknown kind"))?,
        name: row.string(audit_columns::NAME)?,
        version: version.and_then(VersionNumber::new),
    };
    Ok(AuditEntry {
        sequence: row.count(audit_columns::SEQUENCE)?,
        at: row.time(audit_columns::AT)?,
        key: row.optional(audit_columns::KEY, Row::string)?,
        dialect: row.string(audit_columns::DIALECT)?,
        operation: row.string(audit_columns::OPERATION)?,
        subject,
        request: row.optional(audit_columns::REQUEST, Row::string)?,
    })
}
