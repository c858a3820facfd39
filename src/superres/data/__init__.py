"""Where frames come from: packaged photographs, turning views, y4m files, videos and image folders."""
