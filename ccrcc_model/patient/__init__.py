"""One patient: the answer from a scan, its DICOM objects, the page that a reader looks at, the index over many, and the reader's review on its way back."""
