"""Training of a network. Door: `train.train_model`.

train.py        the loop, resumable to the bit
validation.py   PSNR by the literature's protocol, and channels that are always zero
batches.py      pairs of LR and HR patches, drawn by seed and step
collapsible.py  kernels that collapse from wide layers at each step
noisy.py        convolutions that feel INT8's noise while they are trained
teacher.py      a network that another one is trained to imitate
optimizer.py    SOAP for matrices
checkpoint.py   the state that a training resumes from
record.py       the log (CSV) and the record (JSON)
"""
