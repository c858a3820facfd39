"""Training of a network. Door: `train.train_model`.

train.py       the loop, resumable to the bit
batches.py     pairs of LR and HR patches, drawn by seed and step
noisy.py       convolutions that feel INT8's noise while they are trained
optimizer.py   SOAP for matrices
checkpoint.py  what a training needs to go on
validation.py  PSNR by the literature's protocol
record.py      the log (CSV) and the record (JSON)
plots.py       the curve of a training
"""
