//! A matrix cut into panels of 32 columns, the layout in which a product reads its right side from start to end.

/// Columns in a panel: two vectors of 16 values.
pub(super) const PANEL: usize = 32;

/// One row of one panel, aligned so that no vector crosses a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Line(pub [f32; PANEL]);

/// A matrix `[inner, columns]`: panel after panel, each with one line for every inner index. The last panel is filled up
/// with zeros.
#[derive(Default, Debug)]
pub(crate) struct Panels {
    inner: usize,
    columns: usize,
    lines: Vec<Line>,
}

impl Panels {
    /// The panels of the transpose of `values`, row-major `[columns, inner]` as files have linear layers.
    pub fn transposed(values: &[f32], inner: usize) -> Self {
        let mut panels = Self::default();
        panels.set_transposed(Rows { values, stride: inner }, inner, values.len() / inner);
        panels
    }

    /// Makes these the panels of the transpose of `columns` rows of `inner` values. Keeps the memory.
    pub fn set_transposed(&mut self, rows: Rows<'_>, inner: usize, columns: usize) {
        self.reset(inner, columns);
        for (panel, lines) in self.lines.chunks_exact_mut(inner).enumerate() {
            let first = panel * PANEL;
            for column in 0..PANEL.min(columns - first) {
                let row = &rows.values[(first + column) * rows.stride..][..inner];
                for (line, value) in lines.iter_mut().zip(row) {
                    line.0[column] = *value;
                }
            }
        }
    }

    /// Makes these the panels of `inner` rows of `columns` values as they are. Keeps the memory.
    pub fn set(&mut self, rows: Rows<'_>, inner: usize, columns: usize) {
        self.reset(inner, columns);
        for (panel, lines) in self.lines.chunks_exact_mut(inner).enumerate() {
            let first = panel * PANEL;
            let width = PANEL.min(columns - first);
            for (index, line) in lines.iter_mut().enumerate() {
                line.0[..width].copy_from_slice(&rows.values[index * rows.stride + first..][..width]);
            }
        }
    }

    /// The panels of the transpose.
    pub fn turned(&self) -> Self {
        let mut turned = Self::default();
        turned.reset(self.columns, self.inner);
        for (at, line) in turned.lines.iter_mut().enumerate() {
            let (panel, row) = (at / self.columns, at % self.columns);
            let first = panel * PANEL;
            for (lane, value) in line.0.iter_mut().enumerate().take(self.inner - first) {
                *value = self.lines[row / PANEL * self.inner + first + lane].0[row % PANEL];
            }
        }
        turned
    }

    /// Rows of the matrix: the length of a row of the left side.
    pub fn inner(&self) -> usize {
        self.inner
    }

    /// Columns of the matrix.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The panels in order, each with its first column.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &[Line])> {
        self.lines.chunks_exact(self.inner).enumerate().map(|(panel, lines)| (panel * PANEL, lines))
    }

    fn reset(&mut self, inner: usize, columns: usize) {
        (self.inner, self.columns) = (inner, columns);
        self.lines.clear();
        self.lines.resize(inner * columns.div_ceil(PANEL), Line([0.0; PANEL]));
    }
}

/// The transpose of rows of values that begin every `stride` values: row `r` is the `r`-th value of each.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a> {
    /// The values, from the first one of each row that counts.
    pub values: &'a [f32],
    /// Values from the beginning of a row to that of the next.
    pub stride: usize,
}

/// Rows of values, one every `stride` values.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// The values, from the first row's first.
    pub values: &'a [f32],
    /// Values from the beginning of a row to that of the next.
    pub stride: usize,
}
