"""An ONNX graph that can be edited, and the rewritings that bring every exporter to one form."""
