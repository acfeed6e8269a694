"""One reader of DICOM images for every route: an import, a card that names a folder, ``ccrcc segment``, ``Extractor``.

``headers`` reads what files say of themselves, ``files`` finds them, ``series`` decides whether they are one volume (with
``kinds``: is it HU of a CT; ``stack``: does it have one geometry; ``parts``: is it several volumes), ``voxels`` reads them.
"""
