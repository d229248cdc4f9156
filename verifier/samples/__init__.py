"""100 labelled test images of each data set, as .npz files; `verifier.formats.datasets.sample` reads them."""
