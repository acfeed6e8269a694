"""One patient: the answer, its DICOM objects, the page that a reader looks at, the index, and reviews on their way back."""
