//! Declares the columns of a SELECT once, for its text and for the code that reads its rows.
//!
//! rusqlite finds a column's name by comparing it with all columns, in every row. A position
//! that is a constant costs nothing. Knows no table.

/// Declares a module that has the column list of a SELECT as `LIST`, the position of each column
/// under the column's name, and the number of columns as `COUNT`.
///
/// ```text
/// columns! { mod columns { NAME: "l.name", CREATED: "v.created" } }
/// let sql = format!("SELECT {} FROM …", columns::LIST); // SELECT l.name, v.created FROM …
/// let name = text(row, columns::NAME)?;                 // position 0
/// ```
macro_rules! columns {
    (
        $(#[$doc:meta])*
        $visibility:vis mod $module:ident {
            $first:ident: $first_sql:literal $(, $column:ident: $sql:literal)* $(,)?
        }
    ) => {
        $(#[$doc])*
        $visibility mod $module {
            /// The columns as SQL, in the order of their positions.
            pub(in crate::store) const LIST: &str = concat!($first_sql $(, ", ", $sql)*);

            /// The number of columns: the position of whatever follows them in a SELECT.
            #[allow(dead_code)]
            pub(in crate::store) const COUNT: usize = [$first_sql $(, $sql)*].len();

            /// Numbers the columns from 0.
            #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
            enum Position { $first $(, $column)* }

            pub(in crate::store) const $first: usize = Position::$first as usize;
            $(pub(in crate::store) const $column: usize = Position::$column as usize;)*
        }
    };
}

pub(super) use columns;

#[cfg(test)]
mod tests {
    columns! {
        mod columns { NAME: "l.name", NEWEST_AT: "max(v.created)", SIZE: "c.size" }
    }

    #[test]
    fn positions_follow_the_list() {
        assert_eq!(columns::LIST, "l.name, max(v.created), c.size");
        assert_eq!((columns::NAME, columns::NEWEST_AT, columns::SIZE), (0, 1, 2));
        assert_eq!(columns::COUNT, 3);
    }
}
