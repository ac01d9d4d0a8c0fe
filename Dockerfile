# docker build -t merbench . && docker run --rm -v "$PWD":/work merbench run svm-flow --protocol megc2019
# Packages for CPUs suffice here; on a machine with GPUs add --gpus all to docker run, and --shm-size 8g for --workers.
FROM python:3.12-slim
RUN apt-get update && apt-get install --yes --no-install-recommends git && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/merbench
COPY pyproject.toml setup.py README.md LICENSE ./
COPY merbench merbench
COPY methods methods
COPY protocols protocols
COPY results results
RUN pip install --no-cache-dir ".[faces]"
RUN useradd --create-home user && mkdir /work && chown user /work
USER user
# Registered databases and prepared inputs: mount a folder here to keep them.
ENV MERBENCH_HOME=/home/user/merbench
WORKDIR /work
ENTRYPOINT ["merbench"]
CMD ["--help"]
